// The slot of a queue: CRC-16/XMODEM of its qualified name modulo 16,384, as Redis Cluster does for keys. A slot is the unit
// that a later release moves between groups of nodes; it is fixed when the queue is created and leads all its keys.

const slotCount = 16_384;

export function slotOfName(namespace: string, name: string): number {
  const qualified = `${namespace}/${name}`;
  let crc = 0;
  for (let at = 0; at < qualified.length; at += 1) {
    crc ^= (qualified.charCodeAt(at) & 0xff) << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc & 0x8000) !== 0 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
    }
  }
  return crc % slotCount;
}
