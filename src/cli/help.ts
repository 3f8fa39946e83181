import {CommandHelp, Help} from '@oclif/core/help'

/** What people look for first comes first: examples, then usage and flags. */
class ExamplesFirst extends CommandHelp {
  protected override sections(): ReturnType<CommandHelp['sections']> {
    const order = ['EXAMPLES', 'DESCRIPTION']
    const rank = ({header}: {header: string}): number => (order.includes(header) ? order.indexOf(header) : order.length)
    return super.sections().toSorted((a, b) => rank(a) - rank(b))
  }
}

/** oclif's help, but for the order of a command's page. package.json names this file. */
export default class EnvdriftHelp extends Help {
  protected override CommandHelpClass = ExamplesFirst
}
