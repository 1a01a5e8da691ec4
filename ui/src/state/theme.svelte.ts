import type { Theme } from '../map/style';

const STORED_AS = 'fieldwatch.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

/** Follows the system until somebody chooses; the choice is kept in this browser. */
class ThemeChoice {
  #chosen = $state<Theme | null>(stored());
  #system = $state<Theme>(system.matches ? 'dark' : 'light');
  readonly current = $derived(this.#chosen ?? this.#system);

  constructor() {
    system.addEventListener('change', () => {
      this.#system = system.matches ? 'dark' : 'light';
    });
  }

  toggle(): void {
    this.#chosen = this.current === 'dark' ? 'light' : 'dark';
    try {
      localStorage.setItem(STORED_AS, this.#chosen);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  }
}

function stored(): Theme | null {
  try {
    const value = localStorage.getItem(STORED_AS);
    return value === 'light' || value === 'dark' ? value : null;
  } catch {
    return null;
  }
}

export const theme = new ThemeChoice();
