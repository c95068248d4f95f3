import type { Random } from './random';
import type { Country } from './tenants';

/** A customer as he is, before anybody types him into a form. */
export interface Person {
  readonly name: string;
  /** A few people never give one. */
  readonly email: string | null;
  /** National digits; null = never gives one. */
  readonly phone: string | null;
  /** The shop platform's id of the customer. */
  readonly customerId: string;
  readonly country: Country;
  orders: number;
}

const GIVEN = ['Ana', 'María José', 'Luis', 'Rosa', 'Jorge', 'Lucía', 'Íñigo', 'Carmen', 'José', 'Valentina', 'Andrés'];
const MORE_GIVEN = ['Camila', 'Diego', 'Sofía', 'Mateo', 'Paola', 'Álvaro', 'Ximena', 'Raúl', 'Inés', 'Óscar', 'Elena'];
const FAMILY = ['Pérez', 'Quispe', 'Ñúñez', 'García', 'Rodríguez', 'Flores', 'Mamani', 'Rojas', 'Castro', 'O’Brien'];
const MORE_FAMILY = [
  'Restrepo',
  'Hernández',
  'Muñoz',
  'Vargas',
  'Gómez',
  'López',
  'Salazar',
  'Cárdenas',
  'Ibáñez',
  'Díaz',
];
const PROVIDERS = ['gmail.com', 'gmail.com', 'gmail.com', 'hotmail.com', 'outlook.com', 'yahoo.es'];

/** A new customer of a shop; some share the phone of one who buys there already. */
export function newPerson(random: Random, country: Country, known: readonly Person[]): Person {
  const relative = known.length > 0 && random.chance(0.06) ? random.pick(known) : undefined;
  const family = relative?.name.split(' ').at(-1) ?? random.pick([...FAMILY, ...MORE_FAMILY]);
  const given = random.pick([...GIVEN, ...MORE_GIVEN]);
  const ownPhone = random.chance(0.93) ? mobile(random, country) : null;
  const phone = relative?.phone ?? ownPhone;
  return {
    name: random.chance(0.3) ? `${given} ${random.pick(FAMILY)} ${family}` : `${given} ${family}`,
    email: phone === null || random.chance(0.9) ? address(random, given, family, country) : null,
    phone,
    customerId: `7${random.digits(12)}`,
    country,
    orders: 0,
  };
}

/** The number as it is: `+51987654321`. */
export function canonicalPhone(person: Person): string | null {
  return person.phone === null ? null : `+${person.country.callingCode}${person.phone}`;
}

/** The number as somebody types it, or a program passes it on. */
export function typedPhone(random: Random, person: Person): string | null {
  const { phone, country } = person;
  if (phone === null) return random.chance(0.5) ? null : random.pick(['', 'n/a', country.landline]);
  const code = country.callingCode;
  const groups = phone.replace(/^(\d{3})(\d{3})(\d+)$/, '$1 $2 $3');
  const way = random.weighted({
    canonical: 30,
    national: 22,
    spaced: 14,
    international: 8,
    bare: 6,
    dashed: 5,
    brackets: 4,
    zeros: 3,
    scheme: 3,
    spreadsheet: 2,
    second: 2,
    missing: 1,
  });
  switch (way) {
    case 'canonical':
      return `+${code}${phone}`;
    case 'national':
      return phone;
    case 'spaced':
      return ` ${groups} `;
    case 'international':
      return `+${code} ${groups}`;
    case 'bare':
      return `${code}${phone}`;
    case 'dashed':
      return groups.replaceAll(' ', '-');
    case 'brackets':
      return `(+${code}) ${groups}`;
    case 'zeros':
      return `00${code}${phone}`;
    case 'scheme':
      return `whatsapp:+${code}${phone}`;
    case 'spreadsheet':
      return `${phone}.0`;
    case 'second':
      return `+${code}${phone} / ${country.landline}`;
    case 'missing':
      return random.pick([null, '', 'n/a']);
  }
}

/** The address as it arrives: in any case, with a typing error, or one that the importing program made up. */
export function typedEmail(random: Random, person: Person): string {
  const { email } = person;
  if (email === null || random.chance(0.03)) {
    return `no-email-${random.pick(['shopify', 'woo'])}-${random.digits(8)}@example.com`;
  }
  const way = random.weighted({ exact: 82, capitals: 10, spaces: 4, typo: 4 });
  if (way === 'capitals') return email.replace(/(^|[.@])[a-z]/g, (start) => start.toUpperCase());
  if (way === 'spaces') return ` ${email} `;
  if (way === 'typo') return email.replace('gmail', 'gmial').replace('hotmail', 'hotmial');
  return email;
}

/** The name as it arrives; where nobody gave one, programs put in what they have. */
export function typedName(random: Random, person: Person, orderNumber: string): string | null {
  const way = random.weighted({ exact: 78, capitals: 6, spaces: 4, plain: 4, number: 4, email: 2, none: 1, absent: 1 });
  if (way === 'capitals') return withoutAccents(person.name).toUpperCase();
  if (way === 'spaces') return ` ${person.name.replaceAll(' ', '  ')} `;
  if (way === 'plain') return withoutAccents(person.name);
  if (way === 'number') return orderNumber;
  if (way === 'email') return person.email ?? orderNumber;
  if (way === 'none') return 'None None';
  return way === 'absent' ? null : person.name;
}

function mobile(random: Random, { mobile: { prefixes, rest } }: Country): string {
  return random.pick(prefixes) + random.digits(rest);
}

function address(random: Random, given: string, family: string, country: Country): string {
  const local = withoutAccents(`${given}.${family}`)
    .toLowerCase()
    .replace(/[^a-z.]/g, '');
  const provider = random.chance(0.1) ? `correo.${country.domain}` : random.pick(PROVIDERS);
  return `${local}${random.integer(1, 9999)}@${provider}`;
}

function withoutAccents(text: string): string {
  return text.normalize('NFD').replace(/\p{Mn}/gu, '');
}
