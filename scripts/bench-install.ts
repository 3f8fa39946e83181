/** `npm run bench:install`: the rivals of `npm run bench`, into a cache outside the repository. */
import {installRivals} from './bench/rivals.ts'

installRivals((line) => void process.stdout.write(`${line}\n`))
