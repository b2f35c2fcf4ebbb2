// The dashboard's first line.

import { render } from "preact";
import { App } from "./app.js";
import { start } from "./calls/session.js";
import { placeTips } from "./parts/tips.js";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/views.css";
import "./styles/segments.css";

void start();
placeTips();
const root = document.getElementById("app");
if (root) render(<App />, root);
