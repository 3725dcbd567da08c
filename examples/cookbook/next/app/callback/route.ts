import { AuthorizationResponseError } from "openid-client";
import { type NextRequest, NextResponse } from "next/server";

import { explain, StepUpFailed } from "../../../shared/step-up";
import { finishSignIn } from "../../lib/login";

export async function GET(request: NextRequest): Promise<NextResponse> {
  try {
    return NextResponse.redirect(new URL(await finishSignIn(request.nextUrl), request.nextUrl));
  } catch (problem) {
    const said = problem instanceof AuthorizationResponseError ? explain(problem.error) : explain("");
    return new NextResponse(said, { status: problem instanceof StepUpFailed ? 403 : 400 });
  }
}
