import { isNew } from './decide/world';

/** Ids that rows got when they were inserted, by the names they had while it was decided. */
export class RealIds {
  private readonly inserted = new Map<string, string>();

  set(name: string, id: string): void {
    this.inserted.set(name, id);
  }

  /** The id itself when it is a real one. */
  get(id: string): string {
    if (!isNew(id)) return id;
    const real = this.inserted.get(id);
    if (real === undefined) throw new Error('a row was not inserted before what refers to it');
    return real;
  }
}
