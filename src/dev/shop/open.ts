import { openDatabase } from '../../postgres/database';
import { type Shop, type ShopOptions, startShop } from './player';

/** Plays the demo shop over connections of its own; the URLs are those of the databases' owners. */
export async function openShop(sourceUrl: string, messagingUrl: string, options: ShopOptions): Promise<Shop> {
  const source = openDatabase(sourceUrl, 'source', { applicationName: 'demo shop' });
  const messaging = openDatabase(messagingUrl, 'messaging', { applicationName: 'demo shop' });
  const close = () => Promise.all([source.close(), messaging.close()]);
  const shop = await startShop(source, messaging, options).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    totals: shop.totals,
    stop: async () => {
      await shop.stop();
      await close();
    },
  };
}
