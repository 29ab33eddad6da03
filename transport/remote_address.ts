/** Where a socket's other end is: `192.0.2.1:7444`, `[2001:db8::1]:7444`, or `unknown` when it is gone. */
export function formatRemoteAddress(address: string | undefined, port: number | undefined): string {
  if (address === undefined || port === undefined) return "unknown";
  const plain = address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
  return plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
}
