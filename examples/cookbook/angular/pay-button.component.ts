import { HttpClient } from "@angular/common/http";
import { Component, inject, input, signal } from "@angular/core";

import { StepUpNeeded } from "../shared/step-up";

@Component({
  selector: "pay-button",
  template: `
    <button (click)="pay()">Pay {{ amount() }} €</button>
    <p role="status">{{ said() }}</p>
  `,
})
export class PayButton {
  readonly amount = input.required<number>();
  readonly said = signal("");
  private readonly http = inject(HttpClient);

  pay(): void {
    this.http.post("https://api.example/payments", { amount: this.amount() }).subscribe({
      next: () => this.said.set("Paid."),
      error: (problem: unknown) => {
        // The interceptor has sent the user away already.
        if (!(problem instanceof StepUpNeeded)) this.said.set("The payment failed. Try again.");
      },
    });
  }
}
