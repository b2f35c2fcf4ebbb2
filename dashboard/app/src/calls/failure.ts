// What went wrong, in a sentence for people.

import { Code, ConnectError } from "@connectrpc/connect";

export function codeOf(error: unknown): Code {
  return ConnectError.from(error).code;
}

/** Whether the key opens nothing (any more). */
export function isKeyFault(code: Code): boolean {
  return code === Code.Unauthenticated || code === Code.PermissionDenied;
}

export function sentence(error: unknown): string {
  const { code, rawMessage } = ConnectError.from(error);
  switch (code) {
    case Code.Unauthenticated: return "This key no longer opens anything.";
    case Code.Unavailable: return rawMessage ? `The server cannot answer right now: ${rawMessage}` : "The server cannot be reached.";
    case Code.Unknown: return rawMessage.includes("fetch") ? "The server cannot be reached." : rawMessage;
    case Code.DeadlineExceeded: return "The server took too long to answer.";
    default: return rawMessage || `The server answered ${Code[code]}.`;
  }
}
