// Lists come in pages; callers get one AsyncIterable over all of them. A page is asked for when the one before is used up, and
// leaving the loop early asks for no more.

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Empty: this was the last. */
  readonly nextPageToken: string;
}

export async function* pages<Item>(
  nextPage: (pageToken: string) => Promise<Page<Item>>,
): AsyncGenerator<Item, void, undefined> {
  let pageToken = "";
  do {
    const page = await nextPage(pageToken);
    yield* page.items;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}
