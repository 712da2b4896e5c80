#!/usr/bin/env node
// This is the daemon, in the foreground; with a command, or a wish for help, it is `artifact`.
const args = process.argv.slice(2)
const [first = ''] = args
if (first !== '' && (!first.startsWith('-') || /^(-h|--help|-V|--version)$/.test(first))) {
  const { main } = await import('./main.js')
  process.exitCode = await main(args)
} else {
  await import('../daemon/main.js')
}
