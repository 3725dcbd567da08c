// As a hook: whatever calls an API is wrapped once, and knows nothing of step-ups.

import { useCallback, useState } from "react";

import { signIn } from "../shared/session";
import { StepUpNeeded } from "../shared/step-up";

export type Progress<Result> =
  | { step: "idle" | "busy" | "stepping-up" }
  | { step: "done"; result: Result }
  | { step: "failed"; problem: unknown };

export function useStepUp<Input extends unknown[], Result>(act: (...input: Input) => Promise<Result>) {
  const [progress, report] = useState<Progress<Result>>({ step: "idle" });
  const run = useCallback(
    async (...input: Input) => {
      report({ step: "busy" });
      try {
        report({ step: "done", result: await act(...input) });
      } catch (problem) {
        if (!(problem instanceof StepUpNeeded)) return report({ step: "failed", problem });
        report({ step: "stepping-up" });
        await signIn(problem.requirement);
      }
    },
    [act],
  );
  return [progress, run] as const;
}
