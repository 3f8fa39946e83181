import {appendFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {dirname, join} from 'node:path'

import {go} from './go-programs.ts'

// Vault as it is builds with the SDKs of every cloud. What tests need of it needs none of them.

const wrappers = 'github.com/hashicorp/go-kms-wrapping'

/** Cloud services that can unseal a Vault. */
const seals = ['alicloudkms', 'awskms', 'azurekeyvault', 'gcpckms', 'ocikms']

/** Where Vault's agent can log in by itself, which a server never does. */
const agentLogins = ['alicloud', 'aws', 'azure', 'cf', 'gcp', 'kerberos', 'oci']

/**
 * Modules that Vault's go.mod replaces by folders of its repository, which are no part of the module: the versions that
 * were published with 1.21.0, with their hashes.
 */
const published = `
github.com/hashicorp/vault/api v1.22.0 h1:+HYFquE35/B74fHoIeXlZIP2YADVboaPjaSicHEZiH0=
github.com/hashicorp/vault/api v1.22.0/go.mod h1:IUZA2cDvr4Ok3+NtK2Oq/r+lJeXkeCrHRmqdyWfpmGM=
github.com/hashicorp/vault/api/auth/kubernetes v0.10.0 h1:5rqWmUFxnu3S7XYq9dafURwBgabYDFzo2Wv+AMopPHs=
github.com/hashicorp/vault/api/auth/kubernetes v0.10.0/go.mod h1:cZZmhF6xboMDmDbMY52oj2DKW6gS0cQ9g0pJ5XIXQ5U=
github.com/hashicorp/vault/sdk v0.20.0 h1:a4ulj2gICzw/qH0A4+6o36qAHxkUdcmgpMaSSjqE3dc=
github.com/hashicorp/vault/sdk v0.20.0/go.mod h1:xEjAt/n/2lHBAkYiRPRmvf1d5B6HlisPh2pELlRCosk=
`
const inTree = ['api', 'api/auth/approle', 'api/auth/kubernetes', 'api/auth/userpass', 'sdk']

/**
 * Makes the published sources of Vault buildable on their own, and leaves out what is of a cloud: unsealing by one, finding
 * peers in one, Okta's second factor, the agent's logins. Nothing else is touched: secrets, logins, policies, audit.
 *
 * @param source - a copy of Vault 1.21.0 that may be written to.
 */
export function leaveOutClouds(source: string): void {
  go(source, ['mod', 'edit', ...inTree.map((path) => `-dropreplace=github.com/hashicorp/vault/${path}`)])
  appendFileSync(join(source, 'go.sum'), published.trimStart())

  for (const name of seals)
    standIn(source, `${wrappers}/wrappers/${name}/v2`, sealWithout(source, name), [`${wrappers}/v2 v2.0.18`])
  standIn(source, 'github.com/hashicorp/go-discover', discovery)
  edit(source, 'vault/raft.go', (text) =>
    withBody(text, 'newDiscover', 'return &discover.Discover{}, nil').replace(/^.*go-discover\/provider\/k8s"\n/m, ''),
  )
  edit(source, 'vault/login_mfa.go', (text) =>
    withBody(text, 'validateOkta', 'return errors.New("Okta: not in this build")')
      // Nothing else in the file uses these.
      .replaceAll(/^\t".*\/okta-sdk-golang\/.*"\n|^\t"regexp"\n/gm, ''),
  )
  for (const name of agentLogins) {
    const folder = `command/agentproxyshared/auth/${name}`
    edit(source, `${folder}/${name}.go`, (text) => agentWithout(name, text))
    for (const other of globSync('*', {cwd: join(source, folder)}))
      if (other !== `${name}.go`) rmSync(join(source, folder, other), {recursive: true})
  }
}

/** A module with one file that takes the place of the one at `path`. */
function standIn(source: string, path: string, text: string, needs: readonly string[] = []): void {
  const folder = `stand-ins/${path}`
  edit(source, `${folder}/go.mod`, () =>
    [`module ${path}`, 'go 1.25', ...needs.map((one) => `require ${one}`), ''].join('\n'),
  )
  edit(source, `${folder}/stand-in.go`, () => text)
  go(source, ['mod', 'edit', `-replace=${path}=./${folder}`])
}

/** A seal that can't be set up, with the names that Vault's own sources use of it. */
function sealWithout(source: string, name: string): string {
  const users = ['internalshared/configutil/env_var_util.go', 'internalshared/configutil/kms.go', 'vault/core.go']
  const text = users.map((file) => readFileSync(join(source, file), 'utf8')).join('\n')
  const used = new Set([...text.matchAll(new RegExp(`\\b${name}\\.(\\w+)`, 'g'))].map(([, word = '']) => word))
  const constants = [...used]
    .filter((word) => /^(?:Env|Kms)/.test(word))
    .map((word) => `const ${word} = "${name}.${word}"`)
  return `package ${name}

import (
	"context"
	"errors"

	wrapping "${wrappers}/v2"
)

${constants.join('\n')}

type Wrapper struct{ wrapping.Wrapper }

func NewWrapper() *Wrapper { return &Wrapper{} }

func (*Wrapper) SetConfig(context.Context, ...wrapping.Option) (*wrapping.WrapperConfig, error) {
	return nil, errors.New("${name}: not in this build")
}

func WithDisallowEnvVars(bool) wrapping.Option { return nil }

func WithLogger(any) wrapping.Option { return nil }
`
}

const discovery = `package discover

import (
	"errors"
	"log"
)

var errLeftOut = errors.New("auto_join: not in this build")

type Config map[string]string

func (Config) String() string { return "" }

func Parse(string) (Config, error) { return nil, errLeftOut }

type Discover struct{}

func (*Discover) Addrs(string, *log.Logger) ([]string, error) { return nil, errLeftOut }
`

/** The one function of an agent's login that its callers use, which only fails. */
function agentWithout(name: string, text: string): string {
  const signature = /^func New\w+AuthMethod\(.*\) \(auth\.AuthMethod, error\) \{$/m.exec(text)?.[0]
  if (signature === undefined) throw new Error(`Vault's ${name} agent login is not where it was`)
  return `package ${name}

import (
	"errors"

	"github.com/hashicorp/vault/command/agentproxyshared/auth"
)

${signature}
	return nil, errors.New("${name}: not in this build")
}
`
}

/** The same source with another body for one function; its end is the first line that is a brace alone. */
function withBody(text: string, name: string, body: string): string {
  const whole = new RegExp(`^(func (?:\\([^)]*\\) )?${name}\\(.*\\{\\n)[^]*?^\\}$`, 'm')
  if (!whole.test(text)) throw new Error(`Vault's ${name} is not where it was`)
  return text.replace(whole, (_, head: string) => `${head}\t${body}\n}`)
}

/** Writes a file of the source anew; an absent one is empty before. */
function edit(source: string, path: string, change: (text: string) => string): void {
  const file = join(source, path)
  mkdirSync(dirname(file), {recursive: true})
  writeFileSync(file, change(existsSync(file) ? readFileSync(file, 'utf8') : ''))
}
