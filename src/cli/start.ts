import packageJson from '../../package.json' with {type: 'json'}

/** Entry of the built program: `dist/start.js`, with the commands and their manifest beside it. */
const argv = process.argv.slice(2)
const [first] = argv

// oclif takes 40 ms to say what needs no oclif.
if (argv.length === 1 && first === '--version') {
  process.stdout.write(
    `${packageJson.name}/${packageJson.version} ${process.platform}-${process.arch} node-${process.version}\n`,
  )
} else {
  const {main} = await import('./main.ts')
  void main(argv, {
    root: import.meta.dirname,
    packageJson: {...packageJson, oclif: {...packageJson.oclif, commands: './commands'}},
  })
}
