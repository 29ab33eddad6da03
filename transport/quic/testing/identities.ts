import { testMaterial } from "../../testing/test_material.ts";
import type { QuicIdentity } from "../native_config.ts";

/** What the node of {@linkcode testMaterial} connects with. */
export async function clientIdentity(): Promise<QuicIdentity> {
  return (await testMaterial()).client;
}

/** The same without a certificate: a stranger that knows whom it talks to. */
export async function strangerIdentity(): Promise<QuicIdentity> {
  return { caPem: [(await testMaterial()).ca.certificatePem], certificatePem: undefined, keyPem: undefined };
}
