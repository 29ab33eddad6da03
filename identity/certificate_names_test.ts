import assert from "node:assert/strict";
import {
  deviceCommonName,
  deviceOfCommonName,
  parseSpiffeUri,
  parseTrustDomain,
  spiffeUri,
} from "./certificate_names.ts";
import { parseDeviceId } from "./device_id.ts";
import { PalyraError } from "./palyra_error.ts";

const DEVICE = parseDeviceId("01ARZ3NDEKTSV4RRFFQ69G5FAV");

Deno.test("parseSpiffeUri() gives the name back when given spiffeUri()", () => {
  const name = { trustDomain: "palyra.local", clientKind: "node", deviceId: DEVICE } as const;
  assert.equal(spiffeUri(name), "spiffe://palyra.local/node/01ARZ3NDEKTSV4RRFFQ69G5FAV");
  assert.deepEqual(parseSpiffeUri(spiffeUri(name)), name);
});

Deno.test("parseSpiffeUri() gives undefined when any part is not what spiffeUri() writes", () => {
  for (
    const uri of [
      "",
      `https://palyra.local/node/${DEVICE}`,
      `spiffe://palyra.local/root/${DEVICE}`,
      `spiffe://Palyra.local/node/${DEVICE}`,
      `spiffe://palyra.local/node/${DEVICE.toLowerCase()}`,
      `spiffe://palyra.local/node/${DEVICE}/more`,
      `spiffe://palyra.local/node/${DEVICE}\n`,
      `spiffe://a@palyra.local/node/${DEVICE}`,
      "spiffe://palyra.local/node/81ARZ3NDEKTSV4RRFFQ69G5FAV",
    ]
  ) assert.equal(parseSpiffeUri(uri), undefined, uri);
});

Deno.test("deviceOfCommonName() reads the id when the name is exactly deviceCommonName()", () => {
  assert.equal(deviceOfCommonName(deviceCommonName(DEVICE)), DEVICE);
  assert.equal(deviceOfCommonName(`${deviceCommonName(DEVICE)} `), undefined);
  assert.equal(deviceOfCommonName(`palyra device ${DEVICE}`), undefined);
});

Deno.test("parseTrustDomain() refuses when the text is empty, upper case, or has a slash", () => {
  assert.equal(parseTrustDomain("a-b_c.1"), "a-b_c.1");
  for (const text of ["", "Palyra", "a/b", "a b", "a".repeat(256)]) {
    assert.throws(() => parseTrustDomain(text), (error) => error instanceof PalyraError);
  }
});
