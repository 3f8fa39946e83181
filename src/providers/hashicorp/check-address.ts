import type {Problem, ProviderSpec, Settings} from '../../core/provider-spec.ts'
import {printable} from '../../core/text.ts'
import {addressOf, isLoopback} from './address.ts'
import {booleanOf, clientVariable, type Variable} from './variables.ts'

type Given = Parameters<ProviderSpec['resolve']>[0]
type Sources = Pick<Given, 'settings' | 'origins' | 'env'>

/** The address as somebody has written it: a setting before the variable of Vault's client. */
export function writtenAddress({settings: {url}, env}: Sources): Variable | undefined {
  return typeof url === 'string' ? {name: 'url', text: url} : clientVariable(env, 'ADDR')
}

/**
 * The agent that is asked in place of the server, as Vault's client does it: `undefined` where none is named, where a flag or
 * ENVDRIFT_VAULT_URL says whom to ask, and for another server than the one that this machine's agent leads to.
 */
export function agentOf(given: Sources): Variable | undefined {
  if (given.settings['url'] !== undefined && !isInFile(given)) return undefined
  const ofClient = clientVariable(given.env, 'ADDR')
  const leadsElsewhere = ofClient !== undefined && serverOf(ofClient) !== serverOf(writtenAddress(given))
  return leadsElsewhere ? undefined : clientVariable(given.env, 'AGENT_ADDR')
}

const isInFile = ({settings, origins}: Sources): boolean =>
  settings['url'] !== undefined && (origins['url'] === 'repository' || origins['url'] === 'user')

const serverOf = (written: Variable | undefined): string | undefined => addressOf(written?.text ?? '')?.server

/** Who receives what we log in with, and whether this machine agrees; `settings` get the address that is asked. */
export function checkAddress(
  given: Given,
  settings: Record<string, Settings[string]>,
  credential: string | undefined,
  {problems, warnings}: {readonly problems: Problem[]; readonly warnings: string[]},
): void {
  const written = writtenAddress(given)
  const agent = agentOf(given)
  const [address, ofAgent] = [written, agent].map((one) => (one === undefined ? undefined : addressOf(one.text)))
  if (written === undefined && agent === undefined) {
    problems.push({
      text: 'HashiCorp Vault needs an address: set url in [vault.hashicorp], set VAULT_ADDR, or pass --vault-url',
    })
    return
  }
  const isWrong = written !== undefined && address === undefined
  const isWrongAgent = agent !== undefined && ofAgent === undefined
  if (isWrong) problems.push({setting: 'url', text: noAddress(written)})
  if (isWrongAgent) problems.push({text: noAddress(agent)})
  const asked = ofAgent ?? address
  if (asked === undefined || isWrong || isWrongAgent) return
  // Apart, so that what was decoded once is taken apart no second time. The namespace is the server's, whoever is asked.
  settings['url'] = asked.server
  const prefix = address?.prefix ?? asked.prefix
  if (prefix !== undefined) settings['url_namespace'] = prefix
  if (agent !== undefined) settings['agent'] = true

  if (address !== undefined)
    checkServer(given, {server: address.server, agent: ofAgent?.server, credential}, problems, warnings)
  if (agent !== undefined) checkLeadsToOne(given, agent, problems)
  if (asked.server.startsWith('http:') && !isLoopback(new URL(asked.server).hostname)) {
    warnings.push(`${printable(asked.server)} is not encrypted: token and keys travel in clear. Use https.`)
  }
  const lookup = clientVariable(given.env, 'SRV_LOOKUP')
  if (
    lookup !== undefined &&
    booleanOf(lookup.text) === true &&
    !/^[a-z]+:\/\/[^/]*:\d+(?:\/|$)/i.test((agent ?? written)?.text.trim() ?? '')
  )
    warnings.push(
      `${lookup.name} is not followed, because the network would say who gets the token: ${printable(asked.server)} is asked as it is written. Write host and port of the server there.`,
    )
}

/**
 * Does this machine agree to the server that a file names? Asked of an agent, too: nothing goes to that server then, and yet
 * a file that contradicts the machine is no reason for a green check.
 */
function checkServer(
  given: Given,
  {server, agent, credential}: {server: string; agent: string | undefined; credential: string | undefined},
  problems: Problem[],
  warnings: string[],
): void {
  const {origins, ci, trustedVaults, namedByMachine = [], namedByUser = []} = given
  const ofClient = clientVariable(given.env, 'ADDR')
  const isOurs = isInFile(given) && origins['url'] === 'repository'
  const isPinned = server === agent || trustedVaults.some((trusted) => addressOf(trusted)?.server === server)
  // Written as it came, a login in it would be shown.
  const other = ofClient === undefined ? undefined : (serverOf(ofClient) ?? '(no address)')
  const named = other === undefined ? [...namedByMachine, ...namedByUser] : namedByMachine
  const machines = [...trustedVaults, ...named].map((one) => addressOf(one)?.server ?? '(no address)')
  const shown = printable(server)
  if (isInFile(given) && other !== undefined && other !== server && !isPinned) {
    // The token in VAULT_TOKEN or ~/.vault-token was made for VAULT_ADDR, and a pull request can change the file.
    problems.push({
      code: 'VAULT_ADDRESS_CONFLICT',
      setting: 'url',
      text: `url ${shown} and ${ofClient!.name} ${printable(other)} differ, and your token belongs to one of them: make them equal, unset ${ofClient!.name}, or list both in trusted_vaults of your user file`,
    })
  } else if (isOurs && !isPinned && machines.length > 0 && !machines.includes(server)) {
    problems.push({
      code: 'CONFIG_NOT_ALLOWED',
      setting: 'url',
      text: `url ${shown} is none of the addresses that this machine trusts (${machines.map((one) => printable(one)).join(', ')}), so it gets no token: add it to trusted_vaults in your user file or to ENVDRIFT_TRUSTED_VAULTS if you trust it`,
    })
  } else if (isOurs && !isPinned && machines.length === 0 && other === undefined && agent === undefined) {
    // What lives longer than a token, or is fetched only to be sent there, is worth the word outside of CI, too.
    if (ci || credential !== undefined) {
      warnings.push(
        `The address ${shown} that receives ${credential ?? 'the Vault token'} is set by a file that a pull request can change: set VAULT_ADDR or ENVDRIFT_TRUSTED_VAULTS ${ci ? 'in the pipeline' : 'on this machine'} to pin it.`,
      )
    }
  }
}

/** One agent leads to one server: behind it, the secret of another one's name would be taken for what was asked for. */
function checkLeadsToOne({env, siblings = []}: Given, agent: Variable, problems: Problem[]): void {
  if (clientVariable(env, 'ADDR') !== undefined) return
  const servers = [
    ...new Set(siblings.map((one) => (one === undefined ? 'one without url' : serverOf({name: '', text: one})))),
  ]
  if (servers.length < 2) return
  const shown = servers.map((one) => printable(one ?? '(no address)')).join(', ')
  problems.push({
    text: `${agent.name} leads to one server, and the vaults are several (${shown}): set VAULT_ADDR to the one that it leads to, and list the others in trusted_vaults of your user file or in ENVDRIFT_TRUSTED_VAULTS, or unset ${agent.name}`,
  })
}

const noAddress = ({name, text}: Variable): string =>
  /^unix:/i.test(text.trim())
    ? `${name} is a Unix socket, which envdrift cannot ask: give the agent or server a listener at an address like http://127.0.0.1:8100, and set ${name} to that`
    : `${name} must be an address like https://vault.example.com:8200, without user name, password, query and fragment, and with nothing but a namespace behind /v1`
