#!/usr/bin/env node
// Written for old Nodes, too: they must get as far as the sentence below.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `[ERROR] envdrift needs Node.js 22.18 or newer; this is ${process.version}.\n` +
      '  → Install a newer one from https://nodejs.org or with your version manager, then run the command again.\n',
  )
  process.exitCode = 1
} else {
  void import('../dist/start.js')
}
