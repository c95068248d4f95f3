/** What a country's customers and prices look like. */
export interface Country {
  readonly timezone: string;
  readonly callingCode: string;
  readonly currency: string;
  readonly domain: string;
  /** How mobile numbers begin, and how many digits follow. */
  readonly mobile: { readonly prefixes: readonly string[]; readonly rest: number };
  readonly landline: string;
  /** Typical amount of an order, in whole units. */
  readonly amount: readonly [min: number, max: number];
  readonly documentDigits: number;
}

const PERU: Country = {
  timezone: 'America/Lima',
  callingCode: '51',
  currency: 'PEN',
  domain: 'pe',
  mobile: { prefixes: ['91', '93', '94', '95', '96', '97', '98'], rest: 7 },
  landline: '01 4445555',
  amount: [25, 900],
  documentDigits: 8,
};

const COLOMBIA: Country = {
  timezone: 'America/Bogota',
  callingCode: '57',
  currency: 'COP',
  domain: 'co',
  mobile: { prefixes: ['300', '301', '310', '311', '312', '313', '314', '315', '316', '317', '320', '321'], rest: 7 },
  landline: '6014445555',
  amount: [30_000, 900_000],
  documentDigits: 10,
};

const MEXICO: Country = {
  timezone: 'America/Mexico_City',
  callingCode: '52',
  currency: 'MXN',
  domain: 'mx',
  mobile: { prefixes: ['55'], rest: 8 },
  landline: '800 123 4567',
  amount: [150, 6_000],
  documentDigits: 11,
};

export interface DemoTenant {
  readonly name: string;
  readonly slug: string;
  readonly country: Country;
}

/** The shops of the demo; their order is their number. */
export const TENANTS: readonly DemoTenant[] = [
  { name: 'Botica San Martín', slug: 'botica-san-martin', country: PERU },
  { name: 'Zapatos Miraflores SAC', slug: 'zapatos-miraflores', country: PERU },
  { name: 'Café Monserrate', slug: 'cafe-monserrate', country: COLOMBIA },
  { name: 'Librería Chapinero', slug: 'libreria-chapinero', country: COLOMBIA },
  { name: 'Artesanías Coyoacán', slug: 'artesanias-coyoacan', country: MEXICO },
  { name: 'Dulces La Condesa', slug: 'dulces-la-condesa', country: MEXICO },
];
