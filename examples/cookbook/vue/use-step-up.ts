// A composable: whatever calls an API is wrapped once, and knows nothing of step-ups.

import { ref } from "vue";

import { signIn } from "../shared/session";
import { StepUpNeeded } from "../shared/step-up";

export function useStepUp<Input extends unknown[]>(act: (...input: Input) => Promise<void>) {
  const step = ref<"idle" | "busy" | "stepping-up" | "done" | "failed">("idle");

  async function run(...input: Input) {
    step.value = "busy";
    try {
      await act(...input);
      step.value = "done";
    } catch (problem) {
      step.value = problem instanceof StepUpNeeded ? "stepping-up" : "failed";
      if (problem instanceof StepUpNeeded) await signIn(problem.requirement);
    }
  }

  return { step, run };
}
