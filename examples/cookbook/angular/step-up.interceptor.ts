// An interceptor: `provideHttpClient(withInterceptors([stepUp]))`, and no component knows of step-ups.

import { HttpErrorResponse, type HttpInterceptorFn } from "@angular/common/http";
import { catchError, from, switchMap, throwError } from "rxjs";

import { accessToken, signIn } from "../shared/session";
import { requirementOf, StepUpNeeded } from "../shared/step-up";

const API = "https://api.example/";

export const stepUp: HttpInterceptorFn = (request, next) => {
  if (!request.url.startsWith(API)) return next(request); // the token is nobody else's
  return from(accessToken()).pipe(
    switchMap((token) => next(request.clone({ setHeaders: { authorization: `Bearer ${token}` } }))),
    catchError((problem: unknown) => {
      const requirement = wanted(problem);
      if (!requirement) return throwError(() => problem);
      return from(signIn(requirement)).pipe(switchMap(() => throwError(() => new StepUpNeeded(requirement))));
    }),
  );
};

/** What must be proven before this goes on; nothing where something else is wrong. */
function wanted(problem: unknown) {
  if (problem instanceof StepUpNeeded) return problem.requirement;
  return problem instanceof HttpErrorResponse ? requirementOf(problem) : undefined;
}
