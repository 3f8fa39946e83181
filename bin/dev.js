#!/usr/bin/env node
// The program from its sources, without a build: Node strips the types.
import packageJson from '../package.json' with {type: 'json'}
import {main} from '../src/cli/main.ts'

const root = new URL('..', import.meta.url).pathname
void main(process.argv.slice(2), {
  root,
  packageJson: {
    ...packageJson,
    oclif: {...packageJson.oclif, commands: './src/commands', helpClass: './src/cli/help.ts'},
  },
})
