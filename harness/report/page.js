"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, node = document) => [...node.querySelectorAll(selector)];
  const one = (selector, node = document) => node.querySelector(selector);

  // make builds an element. Text is always set as text.
  function make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }
  // said is a text in both languages; the page shows one.
  function said(en, zh) {
    if (!zh || en === zh) return document.createTextNode(en);
    const both = document.createDocumentFragment();
    both.append(make("span", {class: "en", lang: "en"}, en), make("span", {class: "zh", lang: "zh"}, zh));
    return both;
  }

  // Language and theme.
  const themes = ["auto", "light", "dark"];
  const remember = (name, value) => { try { localStorage.setItem("tcpwitness-" + name, value); } catch { /* not from disk */ } };
  const recall = name => { try { return localStorage.getItem("tcpwitness-" + name); } catch { return null; } };
  function setTheme(name) {
    if (name === "auto") root.removeAttribute("data-theme"); else root.dataset.theme = name;
    const words = {auto: ["auto", "自动"], light: ["light", "浅色"], dark: ["dark", "深色"]}[name];
    one("#theme-name").replaceChildren(said(...words));
    remember("theme", name);
  }
  one("#theme").addEventListener("click", () => setTheme(themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length]));
  one("#language").addEventListener("click", () => {
    root.lang = root.lang.startsWith("zh") ? "en" : "zh";
    remember("language", root.lang);
    filter();
  });
  setTheme(themes.includes(recall("theme")) ? recall("theme") : "auto");
  if (["en", "zh"].includes(recall("language"))) root.lang = recall("language");

  // Filters.
  const rules = all(".rule").map(node => ({node, text: node.textContent.toLowerCase()}));
  function filter() {
    const words = one("#search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const chapter = one("#chapter").value, level = one("#level").value;
    const verdicts = all("[name=verdict]:checked").map(box => box.value);
    let shown = 0;
    for (const {node, text} of rules) {
      const fits = verdicts.includes(node.dataset.verdict) && (!chapter || chapter === node.dataset.chapter) &&
        (!level || level === node.dataset.level) && words.every(word => text.includes(word));
      node.hidden = !fits;
      if (fits) shown++;
    }
    one("#count").replaceChildren(said(`${shown} of ${rules.length} rules`, `显示 ${shown} / ${rules.length} 条规则`));
  }
  one(".filters").addEventListener("submit", event => event.preventDefault());
  one(".filters").addEventListener("input", filter);
  for (const button of all("[data-chapter].link")) button.addEventListener("click", () => {
    one("#chapter").value = button.dataset.chapter;
    filter();
    one("#rules").scrollIntoView();
  });
  document.addEventListener("keydown", event => {
    if (event.key !== "/" || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    event.preventDefault();
    one("#search").focus();
  });
  filter();

  // Scenes are unpacked when somebody looks at them.
  async function unpack(number) {
    const packed = atob(one("#scene-" + number).textContent);
    const bytes = Uint8Array.from(packed, c => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }
  const fold = (title, open) => {
    const node = make("details", {class: "part"}, make("summary", {}, title));
    if (open) node.open = true;
    return node;
  };
  // whenOpen fills a part when it is opened for the first time.
  function whenOpen(part, fillIn) {
    let filled = false;
    const look = () => { if (part.open && !filled) { filled = true; fillIn(); } };
    part.addEventListener("toggle", look);
    part.fillNow = () => { part.open = true; look(); };
    look();
  }

  class Scene {
    constructor(finding, data) {
      this.finding = finding;
      this.data = data;
      this.marks = JSON.parse(finding.dataset.marks);
      this.mark = finding.dataset.broken === "true" ? "broken" : "cited";
      this.place = one(".scene", finding);
    }
    show() {
      const {data, place} = this;
      place.replaceChildren();
      for (const note of data.notes || []) place.append(make("p", {class: "reason"}, note));
      for (const [i, picture] of data.pictures.entries()) this.picture(picture, i === 0);
      this.packets();
      this.calls();
      for (const end of data.ends) this.end(end);
    }
    picture(picture, open) {
      const part = fold(said(picture.en, picture.zh), open);
      this.place.append(part);
      whenOpen(part, () => {
        const svg = new DOMParser().parseFromString(picture.svg, "image/svg+xml").documentElement;
        const scroll = make("div", {class: "scroll", tabindex: "0", role: "group", "aria-label": picture.en}, document.importNode(svg, true));
        part.append(scroll);
        for (const node of all(".band,.edge", scroll)) {
          const cited = (node.dataset.frame && this.marks.frames.some(n => covers(node, "frame", n))) ||
            (node.dataset.call && this.marks.calls.some(n => covers(node, "call", n)));
          if (cited) node.classList.add(this.mark);
        }
        for (const node of all(".hit", scroll)) {
          const follow = () => node.dataset.frame ? this.follow("frame", +node.dataset.frame) : this.follow("call", +node.dataset.call);
          node.addEventListener("click", follow);
          node.addEventListener("keydown", event => {
            if (event.key === "Enter" || event.key === " ") { event.preventDefault(); follow(); }
          });
        }
      });
    }
    // follow goes from a picture to the list.
    follow(kind, number) {
      const part = kind === "frame" ? this.packetPart : this.callPart;
      if (!part) return;
      part.fillNow();
      const row = one(`tr[data-${kind}="${number}"]`, part);
      if (row) reveal(row);
    }
    // find goes from a list to the ladder.
    find(kind, number) {
      const part = one(".part", this.place);
      part.fillNow();
      const node = all(".hit", part).find(node => covers(node, kind, number));
      if (node) reveal(node);
    }
    list(title, heads, rows, more, fill) {
      const part = fold(title, false);
      this.place.append(part);
      whenOpen(part, () => {
        const body = make("tbody");
        const table = make("table", {class: "list"}, make("thead", {}, make("tr", {}, ...heads.map(([en, zh]) => make("th", {scope: "col"}, said(en, zh))))), body);
        part.append(make("div", {class: "scroll", tabindex: "0", role: "group", "aria-label": heads[0][0]}, table));
        body.append(...rows.map(fill));
        if (more) part.append(make("p", {class: "source"}, said(`${more} more are in the files only`, `另有 ${more} 项只在文件中`)));
      });
      return part;
    }
    packets() {
      const {packets, morePackets} = this.data;
      if (!packets.length) return;
      const several = packets.some(p => p.where);
      const heads = [["frame", "帧"], ["ms", "毫秒"], ["from", "发送方"], ["segment", "报文段"], ["meaning", "含义"]];
      if (several) heads.splice(3, 0, ["seen at", "观察点"]);
      this.packetPart = this.list(said(`Packets (${packets.length + (morePackets || 0)})`, `分组（${packets.length + (morePackets || 0)}）`), heads, packets, morePackets, packet => {
        const button = make("button", {type: "button", "aria-expanded": "false", "aria-label": `frame ${packet.n}: fields and bytes`}, String(packet.n));
        const cells = [make("td", {class: "num"}, button), make("td", {class: "num"}, packet.t), make("td", {}, packet.from || ""),
          make("td", {class: "mono info"}, packet.info), make("td", {}, said(packet.en, packet.zh))];
        if (several) cells.splice(3, 0, make("td", {}, packet.where || ""));
        const row = make("tr", {"data-frame": packet.n}, ...cells);
        if (packet.odd) row.classList.add("odd");
        if (this.marks.frames.includes(packet.n)) row.classList.add(this.mark);
        button.addEventListener("click", () => this.detail(row, button, packet, cells.length));
        return row;
      });
    }
    detail(row, button, packet, columns) {
      const open = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!open));
      if (open) { row.nextSibling.remove(); return; }
      const back = make("button", {type: "button"}, said("show in the picture", "在图中显示"));
      back.addEventListener("click", () => this.find("frame", packet.n));
      const fields = make("dl", {class: "fields"});
      for (const field of packet.fields || []) fields.append(make("dt", {}, said(...this.data.names[field.k])), make("dd", {}, field.v));
      const cell = make("td", {colspan: columns}, back, fields, make("div", {class: "hex", tabindex: "0", role: "group", "aria-label": `bytes of frame ${packet.n}`}, hexOf(packet)));
      row.after(make("tr", {}, cell));
    }
    calls() {
      const {calls, moreCalls} = this.data;
      if (!calls.length) return;
      const heads = [["call", "调用"], ["ms", "毫秒"], ["took", "用时"], ["end", "一端"], ["text", "内容"]];
      this.callPart = this.list(said(`Calls (${calls.length + (moreCalls || 0)})`, `调用（${calls.length + (moreCalls || 0)}）`), heads, calls, moreCalls, call => {
        const button = make("button", {type: "button", "aria-label": `call ${call.n}: show in the picture`}, String(call.n));
        button.addEventListener("click", () => this.find("call", call.n));
        const took = make("td", {class: "num"}, call.took || "—");
        if (call.blocked) took.append(" ", said("(blocked)", "（阻塞）"));
        const row = make("tr", {"data-call": call.n}, make("td", {class: "num"}, button), make("td", {class: "num"}, call.t), took,
          make("td", {}, call.end + (call.pid ? " " + call.pid : "")), make("td", {class: "mono info"}, call.text));
        if (call.failed) row.classList.add("odd");
        if (this.marks.calls.includes(call.n)) row.classList.add(this.mark);
        return row;
      });
    }
    end(end) {
      const part = fold(said(`Output of the ${end.end}: ${end.ending}`, `${end.end === "server" ? "服务器" : "客户端"}的输出：${end.endingZh}`), false);
      this.place.append(part);
      whenOpen(part, () => {
        const add = (en, zh, text) => {
          if (text) part.append(make("div", {class: "scroll"}, make("h4", {}, said(en, zh)), make("pre", {tabindex: "0"}, text)));
        };
        add("Command", "命令", end.command);
        add("Standard input", "标准输入", end.stdin);
        add("Standard output", "标准输出", end.stdout || "(empty)");
        add("Standard error", "标准错误", end.stderr || "(empty)");
      });
    }
  }

  // covers says whether a node of a picture stands for a frame or a call.
  const covers = (node, kind, number) => node.dataset[kind] !== undefined && +node.dataset[kind] <= number && number <= +node.dataset.last;

  // reveal scrolls to what was followed and marks it, until something else is.
  function reveal(node) {
    node.scrollIntoView({block: "center"});
    if (!node.hasAttribute("tabindex")) node.setAttribute("tabindex", "-1");
    node.focus({preventScroll: true});
    for (const old of all(".flash")) old.classList.remove("flash");
    void node.getBoundingClientRect();
    node.classList.add("flash");
  }

  function hexOf(packet) {
    const bytes = Uint8Array.from(atob(packet.hex), c => c.charCodeAt(0));
    const lines = [];
    for (let at = 0; at < bytes.length; at += 16) {
      const part = [...bytes.slice(at, at + 16)];
      const hex = part.map(b => b.toString(16).padStart(2, "0")).join(" ").padEnd(48);
      const text = part.map(b => b >= 32 && b < 127 ? String.fromCharCode(b) : "·").join("");
      lines.push(at.toString(16).padStart(4, "0") + "  " + hex + "  " + text);
    }
    if (bytes.length < packet.len) lines.push(`… ${packet.len - bytes.length} more bytes in the capture`);
    return lines.join("\n");
  }

  for (const {node} of rules) node.addEventListener("toggle", async () => {
    if (!node.open) return;
    for (const finding of all(".finding", node)) {
      if (finding.dataset.shown || finding.dataset.scene === "-1") continue;
      finding.dataset.shown = "true";
      try {
        new Scene(finding, await unpack(finding.dataset.scene)).show();
      } catch (problem) {
        one(".scene", finding).replaceChildren(make("p", {class: "reason"}, said("This browser cannot unpack the evidence: ", "此浏览器无法解开证据：") , String(problem)));
      }
    }
  });

  // A link to a rule opens it.
  function openLinked() {
    const rule = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (rule && rule.matches(".rule")) { rule.open = true; rule.scrollIntoView(); }
  }
  addEventListener("hashchange", openLinked);
  openLinked();
})();
