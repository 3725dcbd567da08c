import { pay } from "../shared/session";
import { useStepUp } from "./use-step-up";

export function PayByHook({ amount }: { amount: number }) {
  const [progress, run] = useStepUp(pay);
  return (
    <>
      <button disabled={progress.step === "busy"} onClick={() => void run(amount)}>
        Pay {amount} €
      </button>
      {progress.step === "done" && <p role="status">Paid.</p>}
      {progress.step === "failed" && <p role="alert">The payment failed. Try again.</p>}
    </>
  );
}
