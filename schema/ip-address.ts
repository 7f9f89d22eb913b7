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
  if (header.includes("%") || !ipaddr.IPv6.isValid(header)) return null;
  const address = ipaddr.IPv6.parse(header);
  if (address.isIPv4MappedAddress()) return address.toIPv4Address().toString();
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/${IPV6_PREFIX_BITS}`);
  return `${network.toString()}/${IPV6_PREFIX_BITS}`;
}
