// An interceptor: `provideHttpClient(withInterceptors([stepUp]))`, and no component knows of step-ups.

import { HttpErrorResponse, type HttpInterceptorFn } from "@angular/common/http";
import { catchError, from, switchMap, throwError } from "rxjs";

import { session, signIn } from "../shared/session";
import { requirementOf, StepUpNeeded } from "../shared/step-up";

const API = "https://api.example/";

export const stepUp: HttpInterceptorFn = (request, next) => {
  if (!request.url.startsWith(API)) return next(request); // the token is nobody else's
  return from(session.getUser()).pipe(
    switchMap((user) => next(request.clone({ setHeaders: { authorization: `Bearer ${user?.access_token ?? ""}` } }))),
    catchError((problem: unknown) => {
      const requirement = problem instanceof HttpErrorResponse ? requirementOf(problem) : undefined;
      if (!requirement) return throwError(() => problem);
      return from(signIn(requirement)).pipe(switchMap(() => throwError(() => new StepUpNeeded(requirement))));
    }),
  );
};
