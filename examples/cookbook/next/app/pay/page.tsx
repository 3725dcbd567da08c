import { pay } from "./actions";

export default function Pay() {
  return (
    <form action={pay}>
      <label>
        Amount <input name="amount" type="number" min="1" required />
      </label>
      <button>Pay</button>
    </form>
  );
}
