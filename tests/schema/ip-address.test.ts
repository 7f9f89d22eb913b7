import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addressKey } from "../../schema/ip-address.ts";

describe("IPv4", () => {
  test.for(["0.0.0.0", "192.0.2.1", "10.0.0.255", "255.255.255.255"])(
    "RL-02: %s is its own key",
    (address) => {
      expect(addressKey(address)).toBe(address);
    },
  );

  test("RL-02: each of all addresses is its own key", () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(addressKey(address)).toBe(address);
      }),
    );
  });
});

describe("IPv6", () => {
  test.for([
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::", "2001:db8:1:2::/64"],
    ["2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"],
    ["2001:DB8:1:2::A", "2001:db8:1:2::/64"],
    ["2001:0db8:0001:0002:0003:0004:0005:0006", "2001:db8:1:2::/64"],
    ["2001:db8:1:3::1", "2001:db8:1:3::/64"],
    ["2001:db8::1", "2001:db8::/64"],
    ["fe80::1", "fe80::/64"],
    ["::1", "::/64"],
    ["::", "::/64"],
    ["64:ff9b::192.0.2.1", "64:ff9b::/64"],
    ["2001:db8:1:2:3:4:192.0.2.1", "2001:db8:1:2::/64"],
  ])("RL-02: %s counts as %s", ([address, key]) => {
    expect(addressKey(address ?? "")).toBe(key);
  });

  const group = fc.integer({ min: 0, max: 0xffff });
  const groups = fc.tuple(group, group, group, group, group, group, group, group);

  test("RL-02: all addresses of one /64 share one key, and no address of another has it", () => {
    fc.assert(
      fc.property(
        groups,
        groups,
        fc.nat({ max: 3 }),
        fc.integer({ min: 1, max: 0xffff }),
        (one, other, at, by) => {
          const neighbour = [...one.slice(0, 4), ...other.slice(4)];
          expect(keyOf(neighbour)).toBe(keyOf(one));
          const stranger = one.map((value, index) => (index === at ? value ^ by : value));
          expect(keyOf(stranger)).not.toBe(keyOf(one));
        },
      ),
    );
  });

  test("RL-02: every spelling of an address has the same key", () => {
    fc.assert(
      // Runs of zeros are what spellings differ in.
      fc.property(fc.array(fc.oneof(fc.constant(0), group), { minLength: 8, maxLength: 8 }), (address) => {
        expect(new Set(spellings(address).map(addressKey)).size).toBe(1);
      }),
    );
  });

  function keyOf(address: readonly number[]): string | null {
    return addressKey(address.map((value) => value.toString(16)).join(":"));
  }
});

describe("IPv4-mapped IPv6", () => {
  test.for([
    "::ffff:192.0.2.1",
    "::FFFF:192.0.2.1",
    "::ffff:c000:201",
    "::ffff:c000:0201",
    "0:0:0:0:0:ffff:192.0.2.1",
    "0:0:0:0:0:ffff:c000:201",
    "0000:0000:0000:0000:0000:ffff:192.0.2.1",
    "0:0::ffff:192.0.2.1",
  ])("RL-02: %s counts as 192.0.2.1", (address) => {
    expect(addressKey(address)).toBe("192.0.2.1");
  });

  test.for([
    ["::192.0.2.1", "IPv4-compatible, RFC 4291 §2.5.5.1"],
    ["::ffff:0:192.0.2.1", "IPv4-translated, RFC 2765"],
    ["::ffff:0:c000:201", "the same in hexadecimal"],
    ["::c000:201", "IPv4-compatible in hexadecimal"],
  ])("RL-02: %s is not mapped (%s): it is an IPv6 address like any other", ([address]) => {
    expect(addressKey(address ?? "")).toBe("::/64");
  });
});

describe("what is no address", () => {
  test("RL-02: a missing header is none", () => {
    expect(addressKey(null)).toBeNull();
  });

  test.for([
    ["nothing", ""],
    ["a word", "unknown"],
    ["a name", "localhost"],
    ["an obfuscated identifier of RFC 7239", "_hidden"],
    ["a leading zero, which some read as octal", "192.0.2.010"],
    ["leading zeros", "010.001.002.003"],
    ["hexadecimal", "0xc0.0.2.1"],
    ["one number", "3221225985"],
    ["two parts", "127.1"],
    ["three parts", "192.0.2"],
    ["five parts", "192.0.2.1.1"],
    ["an empty part", "192..2.1"],
    ["a part too large", "192.0.2.256"],
    ["a sign", "192.0.2.-1"],
    ["a dot at the end", "192.0.2.1."],
    ["other digits", "١٩٢.0.2.1"],
    ["full-width dots", "192．0．2．1"],
    ["a space before it", " 192.0.2.1"],
    ["a space after it", "192.0.2.1 "],
    ["a line end", "192.0.2.1\n"],
    ["a NUL", "192.0.2.1\0"],
    ["a list", "192.0.2.1, 198.51.100.1"],
    ["a list without space", "192.0.2.1,198.51.100.1"],
    ["a port", "192.0.2.1:443"],
    ["a prefix", "192.0.2.0/24"],
    ["IPv6 with a zone", "fe80::1%eth0"],
    ["IPv6 with an encoded zone", "fe80::1%25eth0"],
    ["mapped with a zone", "::ffff:192.0.2.1%1"],
    ["IPv6 in brackets", "[2001:db8::1]"],
    ["IPv6 with a prefix", "2001:db8::/32"],
    ["IPv6 with a space before it", " 2001:db8::1"],
    ["IPv6 with a line end", "2001:db8::1\n"],
    ["a list of IPv6", "2001:db8::1, 2001:db8::2"],
    ["two gaps", "2001:db8::1::2"],
    ["three colons", "2001:db8:::1"],
    ["seven groups", "1:2:3:4:5:6:7"],
    ["nine groups", "1:2:3:4:5:6:7:8:9"],
    ["a group of five digits", "2001:db8::00001"],
    ["no digit", "2001:db8::g"],
    ["mapped with a leading zero", "::ffff:192.0.2.010"],
    ["mapped with leading zeros", "::ffff:010.0.0.1"],
    ["mapped in hexadecimal parts", "::ffff:0x7f.0.0.1"],
    ["mapped with three parts", "::ffff:192.0.2"],
    ["mapped with a part too large", "::ffff:192.0.2.256"],
  ])("RL-02: %s", ([, header]) => {
    expect(addressKey(header ?? "")).toBeNull();
  });

  test("HTTP-04: any text at all has a key or none, and a key is an IPv4 address or a /64", () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-fA-F:.%/x]{0,45}$/));
    fc.assert(
      fc.property(text, (header) => {
        const key = addressKey(header);
        if (key !== null)
          expect(key).toMatch(/^(?:\d+\.\d+\.\d+\.\d+|[0-9a-f:]+::\/64|::\/64|[0-9a-f:]+\/64)$/);
      }),
    );
  });
});

/** An IPv6 address in each of the ways that RFC 4291 §2.2 lets it be written. */
function spellings(address: readonly number[]): string[] {
  const short = address.map((value) => value.toString(16));
  const dotted = [6, 7]
    .flatMap((index) => [(address[index] ?? 0) >> 8, (address[index] ?? 0) & 255])
    .join(".");
  const withGaps = [];
  for (let from = 0; from < 8; from += 1) {
    for (let to = from + 1; to <= 8 && address[to - 1] === 0; to += 1) {
      withGaps.push(`${short.slice(0, from).join(":")}::${short.slice(to).join(":")}`);
      if (to <= 6) {
        const rest = [...short.slice(to, 6), dotted].join(":");
        withGaps.push(`${short.slice(0, from).join(":")}::${rest}`);
      }
    }
  }
  return [
    short.join(":"),
    short.join(":").toUpperCase(),
    short.map((part) => part.padStart(4, "0")).join(":"),
    [...short.slice(0, 6), dotted].join(":"),
    ...withGaps,
  ];
}
