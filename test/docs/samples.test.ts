import {spawnSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'

import {expect, it, onTestFinished} from 'vitest'
import {parseAllDocuments} from 'yaml'

import {configPort} from '../../src/cli/wire.ts'
import {loadConfig} from '../../src/config/load.ts'
import {blocks, blocksIn, pageOf, pages, repository, type Block} from './pages.ts'
import {commands, specs} from './program.ts'
import {openShop, sessionOf, stateOf, steady, type Shop} from './shop.ts'

/**
 * Blocks of shell commands that are not run, by page and first line, with the reason. Their syntax is checked, and every
 * `envdrift` in them is held against the program's commands and flags.
 */
const notRun: Readonly<Record<string, string>> = {
  'README.md: npm ci && npm run demo': '.ci/run runs it, see below',
  'README.md: npm ci && npm test': '.ci/run runs it, see below',
  'README.md: npm run servers -- install && npm run servers -- start && npm run test:servers':
    '.ci/run runs it, see below',
  'README.md: node --version': 'installs for the whole machine',
  'CONTRIBUTING.md: npm ci': '.ci/run runs the same',
  'CONTRIBUTING.md: export PATH="$PWD/node_modules/.bin:$PATH"': 'sets up a shell',
  'CONTRIBUTING.md: ENVDRIFT_CONTRACT_TABLE=/tmp/seen.jsonl npm run test:servers':
    'needs the servers; .ci/run does the same',
  'CONTRIBUTING.md: npx changeset': 'asks questions',
  'docs/benchmarks.md: npm ci': 'takes many minutes; .ci/run runs the quick bench',
  'docs/commands/sync.md: envdrift sync -c pair.txt -p azure --vault-url https://myvault.vault.azure.net/':
    'needs an Azure vault',
  'docs/commands/sync.md: envdrift sync --verify --ci --json': 'test/docs/json.test.ts holds the document',
  'docs/commands/vault-init.md: envdrift vault init --password-command "pass show myapp/vault"': 'needs pass',
  'docs/commands/vault-passwd.md: envdrift vault passwd': 'asks questions',
  'docs/commands/vault-passwd.md: envdrift vault passwd --password-file old.txt --new-password-file new.txt':
    'test/commands/vault has its cases',
  'docs/embedded-vault.md: export ENVDRIFT_VAULT_PASSWORD_COMMAND=\'["pass", "show", "my vault"]\'': 'needs pass',
  'docs/json.md: envdrift sync --verify --ci --json > result.json': 'test/docs/json.test.ts holds the document',
  'docs/json.md: envdrift sync --verify --ci --json | jq -r \'.rows[]? | select(.status == "error") | "\\(.folder): \\(.error.code)"\'':
    'needs jq',
  'docs/schema-validation.md: envdrift sync --validate-schema --schema schema.ts:settings':
    'test/commands/sync has its cases',
  'docs/providers/aws.md: aws configure sso --profile myapp': 'needs an AWS account',
  'docs/providers/aws.md: aws secretsmanager create-secret --region eu-west-1 --name myapp-key --secret-string file://services/myapp/.env.keys':
    'needs an AWS account',
  'docs/providers/aws.md: envdrift sync --verify --ci': 'needs an AWS account; examples/aws runs the same',
  'docs/providers/aws.md: aws iam create-open-id-connect-provider --url https://token.actions.githubusercontent.com --client-id-list sts.amazonaws.com':
    'needs an AWS account',
  'docs/providers/aws.md: aws kms create-grant --key-id KEY-ID --operations Decrypt --grantee-principal arn:aws:iam::123456789012:role/myapp-ci --region eu-west-1':
    'needs an AWS account',
  'docs/providers/aws.md: aws secretsmanager get-resource-policy --region eu-west-1 --secret-id myapp-key':
    'needs an AWS account',
  'docs/providers/aws.md: aws secretsmanager put-secret-value --region eu-west-1 --secret-id myapp-key --secret-string file://services/myapp/.env.keys':
    'needs an AWS account',
  'docs/providers/aws-ssm.md: aws configure sso --profile myapp': 'needs an AWS account',
  'docs/providers/aws-ssm.md: aws ssm put-parameter --region eu-west-1 --type SecureString --name /team/myapp/key --value file://services/myapp/.env.keys':
    'needs an AWS account',
  'docs/providers/aws-ssm.md: envdrift sync --verify --ci': 'needs an AWS account; examples/aws-ssm runs the same',
  'docs/providers/aws-ssm.md: aws iam put-role-policy --role-name myapp-ci --policy-name envdrift-read --policy-document file://read.json':
    'needs an AWS account',
  'docs/providers/aws-ssm.md: aws ram create-resource-share --region eu-west-1 --name myapp-key --resource-arns arn:aws:ssm:eu-west-1:123456789012:parameter/team/myapp/key --principals arn:aws:iam::210987654321:role/myapp-ci':
    'needs an AWS account',
  'docs/providers/aws-ssm.md: aws ssm put-parameter --region eu-west-1 --overwrite --type SecureString --name /team/myapp/key --value file://services/myapp/.env.keys':
    'needs an AWS account',
  'docs/providers/azure.md: az login': 'needs an Azure account',
  'docs/providers/azure.md: az role assignment create --role "Key Vault Secrets Officer" --assignee-object-id "$(az ad signed-in-user show --query id --output tsv)" --assignee-principal-type User --scope "$(az keyvault show --name my-keyvault --query id --output tsv)"':
    'needs an Azure account',
  'docs/providers/azure.md: envdrift sync --verify --ci': 'needs an Azure account; examples/azure runs the same',
  'docs/providers/azure.md: az login --tenant myorg.onmicrosoft.com': 'needs an Azure account',
  'docs/providers/azure.md: az ad app create --display-name envdrift-verify --query appId --output tsv':
    'needs an Azure account',
  'docs/providers/azure.md: az ad app federated-credential create --id CLIENT-ID --parameters federated.json':
    'needs an Azure account',
  'docs/providers/azure.md: az cloud set --name AzureUSGovernment': 'needs an Azure account',
  'docs/providers/azure.md: az role assignment create --role "Key Vault Secrets User" --assignee-object-id OBJECT-ID --assignee-principal-type ServicePrincipal --scope "$(az keyvault show --name my-keyvault --query id --output tsv)/secrets/myapp-key"':
    'needs an Azure account',
  'docs/providers/azure.md: az keyvault set-policy --name my-keyvault --object-id OBJECT-ID --secret-permissions get':
    'needs an Azure account',
  'docs/providers/azure.md: az role assignment create --role "Key Vault Secrets Officer" --assignee-object-id OBJECT-ID --assignee-principal-type User --scope "$(az keyvault show --name my-keyvault --query id --output tsv)"':
    'needs an Azure account',
  'docs/providers/azure.md: az keyvault secret set-attributes --vault-name my-keyvault --name myapp-key --version VERSION --enabled false':
    'needs an Azure account',
  'docs/providers/hashicorp.md: export VAULT_ADDR=https://vault.example.com:8200': 'needs a Vault',
  'docs/providers/hashicorp.md: envdrift sync --verify --ci': 'needs a Vault; examples/hashicorp runs the same',
  'docs/providers/hashicorp.md: vault print token | envdrift sync --verify --ci --token -': 'needs a Vault',
  'docs/providers/hashicorp.md: vault policy write myapp-read policy.hcl':
    'needs a Vault; test/providers/hashicorp/page.test.ts runs it on one',
  'docs/providers/hashicorp.md: vault write auth/jwt/config oidc_discovery_url=https://gitlab.com bound_issuer=https://gitlab.com':
    'needs a Vault that reaches GitLab',
  'docs/providers/hashicorp.md: vault auth enable kubernetes': 'needs a Vault in a cluster',
  'docs/providers/hashicorp.md: vault auth enable approle':
    'needs a Vault; test/providers/hashicorp/page.test.ts runs it on one',
  'docs/providers/hashicorp.md: vault write -f -wrap-ttl=5m -field=wrapping_token auth/approle/role/myapp-ci/secret-id':
    'needs a Vault; test/providers/hashicorp/page.test.ts runs it on one',
  'docs/providers/hashicorp.md: vault auth enable cert':
    'needs a Vault; test/providers/hashicorp/page.test.ts runs it on one',
  'docs/providers/hashicorp.md: export ENVDRIFT_HASHICORP_AUTH=ldap ENVDRIFT_HASHICORP_USERNAME=alice':
    'needs a directory',
  'docs/providers/hashicorp.md: { vault policy read myapp-read && echo \'path "secret/data/other-key" { capabilities = ["read"] }\'; } | vault policy write myapp-read -':
    'needs a Vault; test/providers/hashicorp/page.test.ts runs it on one',
  'docs/providers/gcp.md: gcloud auth login': 'needs a GCP account',
  'docs/providers/gcp.md: gcloud secrets create myapp-key --project=my-gcp-project --replication-policy=automatic --data-file=services/myapp/.env.keys':
    'needs a GCP account',
  'docs/providers/gcp.md: envdrift sync --verify --ci': 'needs a GCP account; examples/gcp runs the same',
  'docs/providers/gcp.md: gcloud auth application-default login': 'needs a GCP account',
  'docs/providers/gcp.md: gcloud iam workload-identity-pools create ci --project=my-gcp-project --location=global':
    'needs a GCP account',
  'docs/providers/gcp.md: gcloud iam workload-identity-pools providers create-oidc gitlab --project=my-gcp-project --location=global \\':
    'needs a GCP account',
  'docs/providers/gcp.md: gcloud iam service-accounts create envdrift-verify --project=my-gcp-project':
    'needs a GCP account',
  'docs/providers/gcp.md: gcloud services enable iamcredentials.googleapis.com --project=my-gcp-project':
    'needs a GCP account',
  'docs/providers/gcp.md: gcloud secrets add-iam-policy-binding myapp-key --project=my-gcp-project --member=serviceAccount:envdrift-verify@my-gcp-project.iam.gserviceaccount.com --role=roles/secretmanager.secretAccessor':
    'needs a GCP account',
  'docs/providers/gcp.md: gcloud secrets versions add myapp-key --project=my-gcp-project --data-file=services/myapp/.env.keys':
    'needs a GCP account',
  'docs/providers/local.md: envdrift vault init': 'asks for a password; examples/local runs the same',
  'docs/providers/local.md: git add .envdrift envdrift.toml': 'needs the vault of the block before',
}

const idOf = ({page, text}: Block): string => `${page}: ${text.split('\n')[0]}`

const hasBash = spawnSync('bash', ['--version']).status === 0
const whyNoBash = hasBash ? '' : ' (skipped: no bash here)'
const runsSessions = hasBash && process.platform !== 'win32'
const whyNoSessions = runsSessions ? '' : ' (skipped: needs bash and a Unix)'

it('uses no language for a block but those that are checked', () => {
  // text is a layout or an output, hcl a policy of Vault; neither has a parser here.
  const known = ['bash', 'console', 'toml', 'json', 'yaml', 'text', 'hcl']
  expect(blocks.filter(({language}) => !known.includes(language))).toEqual([])
})

it('lists every block of commands that is not run, and none besides', () => {
  const found = blocksIn('bash').filter(({page}) => !page.startsWith('examples/'))
  expect(found.map(idOf).toSorted()).toEqual(Object.keys(notRun).toSorted())
})

it.skipIf(!hasBash).each(blocksIn('bash'))(`$name is sound shell${whyNoBash}`, ({text}) => {
  const {status, stderr} = spawnSync('bash', ['-n'], {input: text, encoding: 'utf8'})
  expect(stderr).toBe('')
  expect(status).toBe(0)
})

/** Every `envdrift …` that a page shows: in blocks of commands, and between backticks in a sentence. */
const shownCommands = pages.flatMap(({path, text}) => {
  const inBlocks = blocks
    .filter(({page, language}) => page === path && ['bash', 'console', 'yaml'].includes(language))
    .flatMap((block) => block.text.split('\n'))
    .flatMap((line) => line.replace(/^\$ |^\s*- (?:run: )?/, '').split(/\s*(?:\|\||\||&&|;)\s*/))
    .filter((command) => command.startsWith('envdrift '))
  const inSentences = [...text.matchAll(/`(envdrift [^`\n]+)`/g)].map(([, command = '']) => command)
  return [...inBlocks, ...inSentences].map((command) => ({page: path, command}))
})

/** What of a command line the program doesn't have. */
function unknownIn(command: string): readonly string[] {
  const [, ...words] = command.split(/\s+/)
  // `envdrift vault …` as a topic, `envdrift --version`
  if (['--version', '--help', 'vault'].includes(words.join(' '))) return []
  const found = commands.find(({name}) => ` ${words.join(' ')} `.startsWith(` ${name} `))
  if (found === undefined) return [command]
  const known = Object.entries(found.flags).flatMap(([name, {char}]) => [`--${name}`, ...(char ? [`-${char}`] : [])])
  return words.filter((word) => /^--?[a-z]/.test(word) && ![...known, '--help'].includes(word.split('=')[0]!))
}

it.each(shownCommands)('$page shows a command that exists, with flags that it has: $command', ({command}) => {
  expect(unknownIn(command)).toEqual([])
})

it('shows no secret on a command line', () => {
  const secretly = /--(?:token|password|value)[ =][^-.]/
  expect(shownCommands.filter(({command}) => secretly.test(command))).toEqual([])
})

const sessions = pages.flatMap(({path}) => {
  const ofPage = blocks.filter(({page, language}) => page === path && language === 'console')
  return ofPage.length === 0 ? [] : [{path, ofPage}]
})

it.skipIf(!runsSessions).each(sessions)(`$path shows what its commands print${whyNoSessions}`, async ({ofPage}) => {
  let shop: Shop | undefined
  for (const block of ofPage) {
    const state = stateOf(block)
    if (state !== 'continue') shop = await openShop(state)
    for (const {command, output} of sessionOf(block)) {
      const printed = await shop!.run(command)
      // The command with it, so that a failure says which one it was.
      expect(`$ ${command}\n${steady(printed)}`).toBe(`$ ${command}\n${steady(output)}`)
    }
  }
})

it.each(blocksIn('json'))('$name is JSON', ({text}) => {
  expect(() => JSON.parse(text) as unknown).not.toThrow()
})

it.each(blocksIn('yaml'))('$name is YAML', ({text}) => {
  expect(parseAllDocuments(text).flatMap(({errors}) => errors)).toEqual([])
})

/** Which file a block of TOML is; a whole configuration unless it says that it is a user file. */
const fileOf = ({text}: Block): string =>
  text.startsWith('# user file') ? 'user.toml' : text.includes('[tool.') ? 'pyproject.toml' : 'envdrift.toml'

it.each(blocksIn('toml'))('$name is a configuration without a mistake', async (block) => {
  const directory = mkdtempSync(join(tmpdir(), 'envdrift-docs-'))
  onTestFinished(() => rmSync(directory, {recursive: true, force: true}))
  const mapping = '[[vault.sync.mappings]]\nsecret_name = "myapp-key"\nfolder_path = "svc"\n'
  const isUsers = fileOf(block) === 'user.toml'
  const files: Readonly<Record<string, string>> = isUsers
    ? {'user/config.toml': block.text, 'envdrift.toml': `[vault]\nprovider = "aws"\n${mapping}`}
    : {[fileOf(block)]: block.text}
  for (const [path, text] of Object.entries({...files, 'services/auth/.env.staging': 'A=encrypted:x\n'})) {
    mkdirSync(dirname(join(directory, path)), {recursive: true})
    writeFileSync(join(directory, path), text)
  }
  const env = {VAULT_ADDR: 'https://vault.example.com:8200'}
  const port = {
    ...configPort(),
    cwd: directory,
    home: directory,
    env,
    userConfigPath: join(directory, 'user/config.toml'),
  }
  // A bare list has no place for a provider; -c names it.
  const flags = block.text.startsWith('[[mappings]]') ? {config: 'envdrift.toml', provider: 'aws'} : {}
  const config = await loadConfig(flags, port, specs)
  expect(config.warnings).toEqual([])
  expect(config.mappings.length).toBeGreaterThan(0)
})

it("the README's commands are what .ci/run runs, in their order and before anything else", () => {
  const {text} = pageOf('README.md')
  const lines = [
    'npm ci && npm run demo',
    'npm ci && npm test',
    'npm run servers -- install && npm run servers -- start && npm run test:servers',
  ]
  for (const line of lines) expect(text).toContain(`\`\`\`bash\n${line}\n\`\`\``)
  const ci = readFileSync(join(repository, '.ci/run'), 'utf8')
  const stages = [...ci.matchAll(/^stage \S+ (.+)$/gm)].map(([, command = '']) => command)
  const commands = [...new Set(lines.flatMap((line) => line.split(' && ')))]
  // Of npm ci, nothing but how much it says.
  expect(stages.slice(0, commands.length).map((stage) => stage.replace(' --no-audit --no-fund', ''))).toEqual(commands)
})

it('installs envdrift nowhere by its name, which nobody has in the registry yet', () => {
  const texts = [...blocks, ...workflows.map((path) => pageOf(path))].map(({text}) => text)
  expect(
    texts.filter((text) => /npm (?:install|i|exec)\b[^\n]* envdrift\b|npx (?:-\S+ )*envdrift\b/.test(text)),
  ).toEqual([])
})

const workflows = ['.github/workflows', 'examples/ci'].flatMap((folder) =>
  readdirSync(join(repository, folder))
    .filter((name) => name.endsWith('.yml'))
    .map((name) => `${folder}/${name}`),
)

it.each(workflows)('%s is YAML, and every envdrift in it has flags that exist', (path) => {
  const text = readFileSync(join(repository, path), 'utf8')
  expect(parseAllDocuments(text).flatMap(({errors}) => errors)).toEqual([])
  const sync = commands.find(({name}) => name === 'sync')!
  for (const [, flags = ''] of text.matchAll(/envdrift sync (.+)$/gm))
    for (const [, name = ''] of flags.matchAll(/(?<= )--([a-z-]+)/g)) expect(Object.keys(sync.flags)).toContain(name)
})

it('runs the tests on Linux, macOS and Windows in CI', () => {
  const text = readFileSync(join(repository, '.github/workflows/ci.yml'), 'utf8')
  for (const os of ['ubuntu', 'macos', 'windows']) expect(text).toContain(`${os}-latest`)
  const pins = [...text.matchAll(/uses: \S+@(\S+)/g)].map(([, pin]) => pin)
  expect(pins.length).toBeGreaterThan(0)
  expect(pins.filter((pin) => !/^[0-9a-f]{40}$/.test(pin ?? ''))).toEqual([])
})
