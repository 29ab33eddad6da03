import assert from "node:assert/strict";
import { MAX_URL_BYTES, parseOpenableUrl } from "./openable_url.ts";
import { HOSTILE_URLS } from "./testdata/hostile_urls.ts";

Deno.test("parseOpenableUrl() returns the normal form of a web address", () => {
  const cases: [string, string][] = [
    ["https://example.com", "https://example.com/"],
    ["HTTP://EXAMPLE.com:80/a/../b?c=d#e", "http://example.com/b?c=d#e"],
    ["https://example.com:8443/%20?q=a%00b#fragment", "https://example.com:8443/%20?q=a%00b#fragment"],
    ["https://example.com/?at=a@b", "https://example.com/?at=a@b"],
    ["https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"],
    ["http://[::1]:3000/", "http://[::1]:3000/"],
    ["http://127.1/", "http://127.0.0.1/"],
    ["https://under_score.example/'\"`", "https://under_score.example/'%22%60"],
  ];
  for (const [text, normal] of cases) assert.equal(parseOpenableUrl(text), normal);
  const longest = "https://example.com/" + "a".repeat(MAX_URL_BYTES - 20);
  assert.equal(parseOpenableUrl(longest), longest);
});

Deno.test("parseOpenableUrl() refuses hostile addresses with a sentence that does not repeat them", () => {
  for (const [what, text] of HOSTILE_URLS) {
    assert.throws(() => parseOpenableUrl(text), (thrown: Error & { code?: string }) => {
      assert.equal(thrown.code, "invalid_input", what);
      assert.match(thrown.message, /^input\.url: [a-z0-9 ,:/@;.-]+\.$/, what);
      return true;
    }, what);
  }
});
