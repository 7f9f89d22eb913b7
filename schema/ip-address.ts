/**
 * Client addresses: what counts as one client. The only source is `CF-Connecting-IP`, which the
 * platform sets and a client cannot (RL-02); this file only reads it.
 */
import ipaddr from "ipaddr.js";

/** One IPv6 subscriber holds a whole /64 and can change address within it at will. */
const IPV6_PREFIX_BITS = 64;

/**
 * The canonical key of an address: an IPv4 address as it is, an IPv4-mapped IPv6 address as that
 * IPv4 address, any other IPv6 address as its /64. Null for a missing or malformed header.
 */
export function addressKey(header: string | null): string | null {
  if (header === null) return null;
  if (ipaddr.IPv4.isValidFourPartDecimal(header)) return header;
  const groups = withoutDottedTail(header);
  if (groups === null || groups.includes("%") || !ipaddr.IPv6.isValid(groups)) return null;
  const address = ipaddr.IPv6.parse(groups);
  if (address.isIPv4MappedAddress()) return address.toIPv4Address().toString();
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/${IPV6_PREFIX_BITS}`);
  return `${network.toString()}/${IPV6_PREFIX_BITS}`;
}

/**
 * RFC 4291 §2.2: the last 32 bits of an IPv6 address may be in dotted decimal. As two groups they
 * leave the library no room to be generous: it reads leading zeros and hexadecimal parts, too.
 */
function withoutDottedTail(header: string): string | null {
  const cut = header.lastIndexOf(":") + 1;
  const tail = header.slice(cut);
  if (!tail.includes(".")) return header;
  if (!ipaddr.IPv4.isValidFourPartDecimal(tail)) return null;
  const [a = 0, b = 0, c = 0, d = 0] = ipaddr.IPv4.parse(tail).octets;
  return `${header.slice(0, cut)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
