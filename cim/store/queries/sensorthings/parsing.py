"""Expressions of `$filter` and `$orderby`: a Pratt parser over the words."""

from cim.store.queries.sensorthings.asked import Call, Node, Order, Path, Value, refused, said
from cim.store.queries.sensorthings.tokens import Token, tokens

BINDS = {
    "or": 1, "and": 2,
    "eq": 3, "ne": 3, "gt": 3, "ge": 3, "lt": 3, "le": 3, "in": 3,
    "add": 4, "sub": 4, "mul": 5, "div": 5, "mod": 5,
}  # fmt: skip
"""How tightly each operator binds."""

NOT, DEEPEST, MOST_WORDS, MOST_SUMS = 3, 40, 3000, 200
SUMS = ("add", "sub", "mul", "div", "mod")
CONSTANTS = {
    "true": Value("boolean", True),
    "false": Value("boolean", False),
    "null": Value("null", None),
}


def expression(text: str, option: str = "$filter") -> Node:
    """A filter as a tree; BadParameter says which word is not understood.

    >>> expression("not startswith(name,'a') and result mul 2 gt 4").name
    'and'
    """
    parser = Parser(text, option)
    found = parser.expression(0)
    parser.end()
    return found


def ordering(text: str) -> tuple[Order, ...]:
    """What to sort by: `result desc,phenomenonTime`, in any case of letters.

    >>> [each.descending for each in ordering("Datastream/name DESC, id")]
    [True, False]
    """
    parser, found = Parser(text, "$orderby"), []
    while True:
        by = parser.expression(0)
        way = parser.word(("asc", "desc"))
        found.append(Order(by, way == "desc"))
        if not parser.mark(","):
            break
    parser.end()
    if len(found) > 10:
        raise refused("$orderby", "it names more than ten things", "排序项过多")
    return tuple(found)


class Parser:
    """Reads the words of one option from left to right."""

    def __init__(self, text: str, option: str) -> None:
        """For the text of an option; its name stands in what is said of faults."""
        self.option, self._at, self._depth, self._sums = option, 0, 0, 0
        self._words = tokens(text, option)
        if len(self._words) > MOST_WORDS:
            raise refused(option, f"it has more than {MOST_WORDS:,} words", "条件过多")

    def expression(self, least: int) -> Node:
        """Everything that binds more tightly than `least`."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise refused(self.option, f"it is nested deeper than {DEEPEST} levels", "嵌套层次过深")
        left = self._first()
        while (binds := BINDS.get(self._operator(), 0)) > least:
            name = self._take().text.lower()
            self._sums += name in SUMS  # each holds what is left of it: a long row is a deep tree
            if self._sums > MOST_SUMS:
                raise refused(self.option, f"it reckons more than {MOST_SUMS} times", "运算过多")
            right = self._list() if name == "in" else self.expression(binds)
            left = Call(name, (left, right))
        self._depth -= 1
        return left

    def word(self, known: tuple[str, ...]) -> str | None:
        """The next word where it is one of these, in any case of letters."""
        token = self._peek()
        if token is None or token.kind != "name" or token.text.lower() not in known:
            return None
        return self._take().text.lower()

    def mark(self, mark: str) -> bool:
        """Whether the next word is that mark, which is passed."""
        token = self._peek()
        if token is None or token.kind != "mark" or token.text != mark:
            return False
        self._at += 1
        return True

    def end(self) -> None:
        """BadParameter where something is left."""
        if (token := self._peek()) is not None:
            raise self._unforeseen(token)

    def _first(self) -> Node:
        token = self._take()
        if token.value is not None:
            return token.value
        if token.kind == "mark" and token.text == "(":
            found = self.expression(0)
            self._close(")")
            return found
        if token.kind != "name":
            raise self._unforeseen(token)
        lower = token.text.lower()
        following = self._peek()
        if lower == "not":
            return Call("not", (self.expression(NOT - 1),))
        if following is not None and following.text == "(":
            return Call(lower, self._arguments())
        if lower in CONSTANTS and (following is None or following.text != "/"):
            return CONSTANTS[lower]
        return self._path(token)

    def _path(self, token: Token) -> Path:
        steps = [token.text]
        while True:
            if self.mark("/"):
                following = self._take()
                if following.kind not in ("name", "number"):
                    raise self._unforeseen(following)
                steps.append(following.text)
            elif self.mark("["):
                steps.append(self._take().text)
                self._close("]")
            else:
                return Path(tuple(steps))

    def _arguments(self) -> tuple[Node, ...]:
        self._close("(")
        found: list[Node] = []
        if self.mark(")"):
            return ()
        while True:
            found.append(self.expression(0))
            if not self.mark(","):
                break
        self._close(")")
        return tuple(found)

    def _list(self) -> Node:
        return Call("list", self._arguments())

    def _operator(self) -> str:
        token = self._peek()
        return token.text.lower() if token is not None and token.kind == "name" else ""

    def _peek(self) -> Token | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def _take(self) -> Token:
        token = self._peek()
        if token is None:
            raise refused(self.option, "something is missing at its end", "末尾不完整")
        self._at += 1
        return token

    def _close(self, mark: str) -> None:
        if not self.mark(mark):
            token = self._peek()
            if token is None:
                raise refused(self.option, f"'{mark}' is missing at its end", f"末尾缺少“{mark}”")
            raise self._unforeseen(token)

    def _unforeseen(self, token: Token) -> Exception:
        return refused(
            self.option,
            f"{said(token.text)} at character {token.at} was not expected",
            f"第 {token.at} 个字符处不应出现 {said(token.text)}",
        )
