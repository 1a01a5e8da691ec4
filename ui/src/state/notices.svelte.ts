export interface Notice {
  key: number;
  text: string;
  tone: 'info' | 'good' | 'alarm';
}

/** Short messages that go away by themselves. At most four at once: a storm of alarms must not hide the map. */
class Notices {
  static readonly MOST = 4;
  static readonly SHOWN_MS = 6_000;
  list = $state<Notice[]>([]);
  #next = 0;

  say(text: string, tone: Notice['tone'] = 'info'): void {
    const key = this.#next++;
    this.list = [...this.list, { key, text, tone }].slice(-Notices.MOST);
    setTimeout(() => this.dismiss(key), Notices.SHOWN_MS);
  }

  dismiss(key: number): void {
    this.list = this.list.filter((notice) => notice.key !== key);
  }
}

export const notices = new Notices();
