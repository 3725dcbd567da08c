// Cookies that the browser keeps and cannot read or change.

import { EncryptJWT, jwtDecrypt, type JWTPayload } from "jose";
import { cookies } from "next/headers";

/** 32 bytes in base64, as `openssl rand -base64 32` makes them. */
const key = () => Buffer.from(process.env.COOKIE_KEY ?? "", "base64");

export async function keep(name: string, value: JWTPayload, seconds: number): Promise<void> {
  const sealed = new EncryptJWT(value).setProtectedHeader({ alg: "dir", enc: "A256GCM" }).setSubject(name);
  const text = await sealed.setExpirationTime(`${seconds}s`).encrypt(key());
  const options = { httpOnly: true, secure: true, sameSite: "lax", path: "/", maxAge: seconds } as const;
  (await cookies()).set(`__Host-${name}`, text, options);
}

/** What was kept; nothing where it has expired, or is another cookie's. */
export async function kept<Value>(name: string): Promise<Value | undefined> {
  const text = (await cookies()).get(`__Host-${name}`)?.value;
  if (!text) return undefined;
  try {
    return (await jwtDecrypt(text, key(), { subject: name })).payload as Value;
  } catch {
    return undefined;
  }
}
