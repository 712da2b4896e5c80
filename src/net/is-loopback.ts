import { BlockList, isIP } from 'node:net'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8)
LOOPBACK.addAddress('::1', 'ipv6')

/** Whether an address, or a name that needs no look-up, is this machine's own: `localhost`, `127.x.y.z`, `::1`. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  const family = isIP(bare)
  if (family === 0) return /^(?:.+\.)?localhost\.?$/i.test(bare)
  return LOOPBACK.check(bare, family === 6 ? 'ipv6' : 'ipv4')
}
