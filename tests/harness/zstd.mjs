// Zstandard frames by hand (RFC 8878), since the standard library of Node 20 has none: blocks that are stored as they
// are, and blocks that repeat one byte.

const MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
/** No checksum, no content size, a window of 8 MiB. */
const FRAME_HEADER = Buffer.from([0x00, (23 - 10) << 3]);
const LARGEST_BLOCK = 128 * 1024;
const RAW = 0;
const REPEAT = 1;

/** The bytes in one frame, uncompressed. */
export function zstdStored(bytes) {
  const blocks = [];
  for (let from = 0; from < bytes.length || from === 0; from += LARGEST_BLOCK) {
    const piece = bytes.subarray(from, from + LARGEST_BLOCK);
    blocks.push(blockHeader(RAW, piece.length, from + LARGEST_BLOCK >= bytes.length), piece);
  }
  return Buffer.concat([MAGIC, FRAME_HEADER, ...blocks]);
}

/** So many times 128 KiB of one byte, four bytes each. */
export function zstdBomb(blocks, byte = 0x20) {
  const one = (last) => Buffer.concat([blockHeader(REPEAT, LARGEST_BLOCK, last), Buffer.from([byte])]);
  return Buffer.concat([MAGIC, FRAME_HEADER, ...Array.from({ length: blocks }, (_, index) => one(index === blocks - 1))]);
}

function blockHeader(type, size, isLast) {
  const header = Buffer.alloc(3);
  header.writeUIntLE((size << 3) | (type << 1) | (isLast ? 1 : 0), 0, 3);
  return header;
}
