/** One field of a resource to generate, as TypeScript source. */
export interface Field {
  /** The column's name. */
  name: string
  column: string
  input: string
  /** The entries of `filter`, if it can filter a list. */
  filter?: string
  sortable: boolean
  searchable: boolean
  /** The resource it refers to. */
  refersTo?: string
}

/** A row of the table of types in `npm run resource -- --help` and docs/field-types.md. */
interface Type {
  syntax: string
  column: string
  input: string
  json: string
  filter: string
}

/** Every type a field can have: what it becomes as a column, as a validator, in JSON and as a filter. */
export const types: readonly Type[] = [
  {
    syntax: 'string(n)',
    column: 'text',
    input: 'title(n), not blank; n is 200',
    json: 'string',
    filter: '`q`',
  },
  { syntax: 'text(n)', column: 'text', input: 'text(n); n is 2000', json: 'string', filter: '`q`' },
  { syntax: 'boolean', column: 'integer 0/1', input: 'z.boolean()', json: 'boolean', filter: '`name`' },
  { syntax: 'integer', column: 'integer', input: 'z.int()', json: 'integer', filter: '' },
  { syntax: 'number', column: 'real', input: 'z.number()', json: 'number', filter: '' },
  {
    syntax: 'date',
    column: 'text',
    input: 'moment()',
    json: 'date or date-time',
    filter: '`name_before`, `name_after`',
  },
  { syntax: 'enum(a,b)', column: 'text', input: 'z.enum()', json: 'one of the strings', filter: '`name`' },
  {
    syntax: 'list',
    column: 'text (JSON)',
    input: 'labels(20, 50)',
    json: 'array of strings',
    filter: '`name` without its s',
  },
  {
    syntax: 'tasks',
    column: 'text, foreign key',
    input: 'id()',
    json: 'id of a task',
    filter: '`name_id`',
  },
]

const SPEC = /^([a-z][a-z0-9_]*):([a-z][a-z0-9_]*)(?:\(([^)]*)\))?(\?)?(?:=(.+))?$/

/** What a field is read among: the variable of its own table, and those of the tables it can refer to. */
export interface Tables {
  own: string
  others: ReadonlyMap<string, string>
}

/** Reads `name:type(arguments)?=default`. Throws a sentence that says what is wrong with it. */
export function parseField(spec: string, { own, others }: Tables): Field {
  const [, name = '', type = '', args, optional, initial] = SPEC.exec(spec) ?? []
  if (!name)
    throw new Error(
      `${spec}: a field is name:type, in lower case, with ? for optional or =value for a default`,
    )
  const fault = (message: string) => new Error(`${spec}: ${message}`)
  if (optional && initial !== undefined) throw fault('is optional and has a default; choose one')
  if (args !== undefined && !['string', 'text', 'enum'].includes(type))
    throw fault(`${type} takes no (${args})`)
  const build = (column: string, input: string, value?: string, rest: Partial<Field> = {}): Field => ({
    name,
    column: optional ? column : `${column}.notNull()${value === undefined ? '' : `.default(${value})`}`,
    input,
    sortable: false,
    searchable: false,
    ...rest,
  })
  const quoted = initial === undefined ? undefined : `'${initial.replaceAll(/['\\]/g, '\\$&')}'`

  switch (type) {
    case 'string':
    case 'text': {
      const length = args ?? (type === 'string' ? '200' : '2000')
      if (!/^[1-9]\d{0,4}$/.test(length)) throw fault('its length is not a number of characters')
      if (Array.from(initial ?? '').length > Number(length)) throw fault('its default is longer than that')
      const helper = type === 'string' ? 'title' : 'text'
      const searched = { searchable: true, sortable: type === 'string' }
      return build('column()', `${helper}(${length})`, quoted, searched)
    }
    case 'boolean':
      if (initial !== undefined && !/^(true|false)$/.test(initial))
        throw fault('its default is not true or false')
      return build(`integer({ mode: 'boolean' })`, 'z.boolean()', initial, { filter: `'${name}'` })
    case 'integer':
    case 'number': {
      const number = Number(initial ?? 0)
      if (
        !(type === 'integer' ? Number.isSafeInteger(number) : Number.isFinite(number)) ||
        initial?.trim() === ''
      ) {
        throw fault(`its default is not ${type === 'integer' ? 'an integer' : 'a number'}`)
      }
      const value = initial === undefined ? undefined : String(number)
      return build(
        type === 'integer' ? 'integer()' : 'real()',
        type === 'integer' ? 'z.int()' : 'z.number()',
        value,
        {
          sortable: true,
        },
      )
    }
    case 'date': {
      if (initial !== undefined) throw fault('a date has no default')
      const stem = name.replace(/_(date|at|on)$/, '')
      const filter = `{ as: '${stem}_before', upTo: '${name}' }, { as: '${stem}_after', from: '${name}' }`
      return build('column()', 'moment()', undefined, { filter, sortable: true })
    }
    case 'enum': {
      const values = (args ?? '').split(',').map((value) => value.trim())
      if (values.some((value) => !/^[a-z0-9_-]+$/i.test(value)) || new Set(values).size !== values.length) {
        throw fault('an enum lists its values: enum(draft,final)')
      }
      if (initial !== undefined && !values.includes(initial))
        throw fault('its default is not one of its values')
      const list = values.map((value) => `'${value}'`).join(', ')
      return build(`column({ enum: [${list}] })`, `z.enum(${own}.${name}.enumValues)`, quoted, {
        filter: `'${name}'`,
        sortable: true,
      })
    }
    case 'list': {
      if (optional || initial !== undefined) throw fault('a list is empty when left out: no ? and no default')
      const filter = `{ as: '${name.replace(/(?<=.)s$/, '')}', has: '${name}' }`
      return build(`column({ mode: 'json' }).$type<string[]>()`, 'labels(20, 50)', '[]', { filter })
    }
    default: {
      const table = others.get(type)
      if (!table) throw fault(`there is no type or resource named ${type}`)
      if (initial !== undefined) throw fault('a reference has no default')
      const column = name.endsWith('_id') ? name : `${name}_id`
      const field = build(`reference(${table})`, 'id()', undefined, { filter: `'${column}'`, refersTo: type })
      return { ...field, name: column }
    }
  }
}
