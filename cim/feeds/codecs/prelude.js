// What scripts of payload codecs expect beside the language: a Buffer to read numbers from, and a
// console that says nothing. There is no file, no network, no timer and no module to be had.
"use strict";
(function (scope) {
  const READS = {
    UInt8: ["getUint8", 1], Int8: ["getInt8", 1],
    UInt16: ["getUint16", 2], Int16: ["getInt16", 2],
    UInt32: ["getUint32", 4], Int32: ["getInt32", 4],
    BigUInt64: ["getBigUint64", 8], BigInt64: ["getBigInt64", 8],
    Float: ["getFloat32", 4], Double: ["getFloat64", 8],
  };
  class Buffer extends Uint8Array {
    static from(given, encoding) {
      if (typeof given !== "string") return new Buffer(given);
      if (encoding === "hex") return new Buffer((given.match(/../g) || []).map((two) => parseInt(two, 16)));
      return new Buffer(unescape(encodeURIComponent(given)).split("").map((one) => one.charCodeAt(0)));
    }
    slice(from, to) {
      return new Buffer(super.slice(from, to));
    }
    toString(encoding) {
      if (encoding === "hex") return Array.from(this, (one) => one.toString(16).padStart(2, "0")).join("");
      return Array.from(this, (one) => String.fromCharCode(one)).join("");
    }
    readUIntBE(at, size) {
      return this.slice(at, at + size).reduce((sum, one) => sum * 256 + one, 0);
    }
    readUIntLE(at, size) {
      return this.slice(at, at + size).reduceRight((sum, one) => sum * 256 + one, 0);
    }
  }
  for (const [name, [get, size]] of Object.entries(READS)) {
    for (const [order, little] of size === 1 ? [["", true]] : [["BE", false], ["LE", true]]) {
      const read = function (at = 0) {
        return new DataView(this.buffer, this.byteOffset, this.byteLength)[get](at, little);
      };
      Buffer.prototype["read" + name + order] = read;
      Buffer.prototype["read" + name.replace("UInt", "Uint") + order] = read;
    }
  }
  const silent = () => {};
  scope.Buffer = Buffer;
  scope.console = { log: silent, info: silent, warn: silent, error: silent, debug: silent };
})(globalThis);
