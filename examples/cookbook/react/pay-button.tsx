// Plain: the component itself sends its user to prove more.

import { useState } from "react";

import { pay, signIn } from "../shared/session";
import { StepUpNeeded } from "../shared/step-up";

export function PayButton({ amount }: { amount: number }) {
  const [said, say] = useState("");

  async function click() {
    try {
      await pay(amount);
      say("Paid.");
    } catch (problem) {
      if (problem instanceof StepUpNeeded) await signIn(problem.requirement);
      else say("The payment failed. Try again.");
    }
  }

  return (
    <>
      <button onClick={() => void click()}>Pay {amount} €</button>
      <p role="status">{said}</p>
    </>
  );
}
