// Offers the members of the organization while a name is typed after an @ in a note. The field works without this, and
// the portal itself decides who is mentioned.

// As portal/mitigations/mentions.py reads names.
const TYPED = /(?<![\p{L}\p{N}_.@+-])@([\p{L}\p{N}_.@+-]*)$/u;
const MOST = 6;

const field = document.querySelector("textarea[data-members]");
const list = document.createElement("ul");
const status = document.createElement("p");
let members;
let shown = [];
let marked = 0;

// Asked once, and only if someone types an @.
async function names() {
  try {
    const answer = await fetch(field.dataset.members);
    const { results } = answer.ok ? await answer.json() : { results: [] };
    return results.filter((one) => one.is_active).map((one) => one.username);
  } catch {
    // No connection: the next @ asks again.
    members = undefined;
    return [];
  }
}

function typedName() {
  const isOneCaret = field.selectionStart === field.selectionEnd;
  return isOneCaret ? TYPED.exec(field.value.slice(0, field.selectionStart))?.[1] : undefined;
}

function matching(all, typed) {
  const wanted = typed.toLowerCase();
  const found = all.filter((name) => name.toLowerCase().includes(wanted));
  const begins = (name) => (name.toLowerCase().startsWith(wanted) ? 0 : 1);
  return found.sort((one, other) => begins(one) - begins(other)).slice(0, MOST);
}

async function offer() {
  if (typedName() === undefined) {
    close();
    return;
  }
  const all = await (members ??= names());
  const typed = typedName();
  const found = typed === undefined ? [] : matching(all, typed);
  const isComplete = found.length === 1 && found[0].toLowerCase() === typed.toLowerCase();
  if (!found.length || isComplete || document.activeElement !== field) close();
  else open(found);
}

function open(found) {
  const isSame = found.join() === shown.join();
  shown = found;
  list.replaceChildren(...found.map(option));
  list.hidden = false;
  field.setAttribute("aria-controls", list.id);
  mark(isSame ? marked : 0);
  if (!isSame) status.textContent = `${found.length} ${found.length === 1 ? "member" : "members"}: ${found.join(", ")}.`;
}

function close() {
  shown = [];
  list.hidden = true;
  status.textContent = "";
  field.removeAttribute("aria-activedescendant");
  field.removeAttribute("aria-controls");
}

function option(name, at) {
  const one = document.createElement("li");
  one.id = `note-name-${at}`;
  one.setAttribute("role", "option");
  one.textContent = name;
  // The field keeps the focus.
  one.addEventListener("mousedown", (event) => event.preventDefault());
  one.addEventListener("click", () => choose(name));
  return one;
}

function mark(at) {
  marked = (at + shown.length) % shown.length;
  for (const [place, one] of [...list.children].entries()) one.setAttribute("aria-selected", String(place === marked));
  field.setAttribute("aria-activedescendant", list.children[marked].id);
}

function choose(name) {
  const { selectionStart: end, value } = field;
  const begin = end - typedName().length;
  const space = /^\s/.test(value.slice(end)) ? "" : " ";
  field.setRangeText(`${name}${space}`, begin, end, "end");
  close();
  field.focus();
  status.textContent = `@${name} is in the note.`;
}

const KEYS = {
  ArrowDown: () => mark(marked + 1),
  ArrowUp: () => mark(marked - 1),
  Enter: () => choose(shown[marked]),
  Tab: () => choose(shown[marked]),
  Escape: close,
};

function press(event) {
  const act = list.hidden || event.isComposing || event.shiftKey ? undefined : KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  act();
}

if (field) {
  list.id = "note-names";
  list.className = "names";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Members");
  status.className = "vh";
  status.setAttribute("role", "status");
  field.after(list, status);
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-haspopup", "listbox");
  field.addEventListener("input", offer);
  field.addEventListener("click", offer);
  field.addEventListener("keydown", press);
  field.addEventListener("blur", close);
}
