"use server";

import { redirect } from "next/navigation";

import { callApi, type Requirement, StepUpNeeded } from "../../../shared/step-up";
import { accessToken, API, beginSignIn } from "../../lib/login";

export async function pay(form: FormData): Promise<void> {
  const token = await accessToken();
  const asked = token ? await tryToPay(token, Number(form.get("amount"))) : undefined;
  // Beyond `try`: `redirect` leaves by throwing.
  redirect(token && !asked ? "/paid" : await beginSignIn("/pay", asked));
}

/** Pays; the answer is what the API wants first. */
async function tryToPay(token: string, amount: number): Promise<Requirement | undefined> {
  try {
    const response = await callApi(`${API}payments`, token, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ amount }),
    });
    if (!response.ok) throw new Error(`the API answered ${response.status}`);
    return undefined;
  } catch (problem) {
    if (problem instanceof StepUpNeeded) return problem.requirement;
    throw problem;
  }
}
