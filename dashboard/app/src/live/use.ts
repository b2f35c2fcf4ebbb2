// A component's way to watch a report.

import { toBinary, create } from "@bufbuild/protobuf";
import { useEffect, useRef, useState } from "preact/hooks";
import { WatchedReportSchema, type Snapshot } from "../gen/pistats/query/v1/query_pb.js";
import { questionOf } from "./feed.js";
import type { Failure } from "./messages.js";
import { pace } from "./pace.js";
import { openTab, type Question, type Tab } from "./tab.js";

let opened: Tab | undefined;

export function theTab(): Tab {
  return (opened ??= openTab());
}

export interface Report<T> {
  /** The newest answer; that of the question before until the first one is there. */
  answer?: T;
  /** Whether the answer is to the question of now. */
  isFresh: boolean;
  failure?: Failure;
  /** Which question the answer is to: another one is no change of numbers. */
  question: string;
}

type Kind = Exclude<Question["case"], undefined>;
type AnswerOf<K extends Kind> = Extract<Snapshot["report"], { case: K }>["value"];

/** How often numbers may be painted a second. */
export const COUNTERS = 10;
export const TABLES = 3;

/** Watches a report with a key while both are there. */
export function useReport<K extends Kind>(kind: K, key: string | undefined, question: Question | undefined, perSecond: number): Report<AnswerOf<K>> {
  const [report, setReport] = useState<Report<AnswerOf<K>>>({ isFresh: false, question: "" });
  const name = key && question ? questionOf(key, toBinary(WatchedReportSchema, create(WatchedReportSchema, { report: question }))) : "";
  const latest = useRef(question);
  latest.current = question;
  useEffect(() => {
    if (!name || !key || !latest.current) return;
    const paced = pace<Report<AnswerOf<K>>>(perSecond, setReport);
    const forget = theTab().watch(key, latest.current, {
      answer: (answer) => {
        if (answer.report.case === kind) paced.push({ answer: answer.report.value as AnswerOf<K>, isFresh: true, question: name });
      },
      failed: (failure) => paced.push({ isFresh: true, failure, question: name }),
    });
    return () => {
      paced.stop();
      forget();
    };
  }, [name, perSecond]);
  return report.question === name ? report : { ...report, isFresh: false };
}
