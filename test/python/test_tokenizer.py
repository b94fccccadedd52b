"""lib/Tokenizer, through quant-tokenize, against the package tokenizers."""

import random
import subprocess
import unicodedata

import pytest
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
PIECES = [
    *"aeistn AZ09'\"-_.,!?\t\n\r\0\x7f", "  ", "    ", "\n\n", "\r\n", "'s", "'LL", "don't", "\u00a0", "\u2003", "\u3000", "\u180e",
    "\u2028", "\ufeff", "\u200b", "\u200d", "é", "e\u0301", "ß", "ſ", "ﬁ", "Å", "\u212b", "한국", "\u1112\u1161\u11ab", "中文", "日本",
    "かな", "ไทย", "हिन्दी", "שלום", "العربية", "½", "Ⅷ", "٣", "👍🏽", "👨‍👩‍👧", "🇩🇪", "❤️", "\ud7ff", "\ue000", "\ufffd", "\uffff",
    "\U00010000", "\U0010ffff", "𝔘", "a\u0327\u0301", "\u0301", "▁", "Ġ", "<|im_end|>", "<|endoftext|>", "<|im", "<s>", "</s>",
    "<0x41>", "<extra>", " <left>", "<right> ", "<word>", "<nörm>",
]  # fmt: skip


def random_text(generator):
    """Of single characters those that are the same since Unicode 3.2: some tables of the package are old."""

    def character():
        while True:
            one = chr(generator.choice((generator.randrange(0x250), generator.randrange(0x3000), generator.randrange(0x110000))))
            category = unicodedata.category(one)
            if category not in ("Cn", "Cs") and category == unicodedata.ucd_3_2_0.category(one):
                return one

    return "".join(
        generator.choice(PIECES) if generator.random() < 0.8 else character() for _ in range(generator.randrange(60))
    )


@pytest.fixture(scope="module")
def quant_tokenize(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenize")

    def run(path, contents, *options):
        files = []
        for number, content in enumerate(contents):
            files.append(folder / f"{number}.txt")
            files[-1].write_bytes(content)
        done = subprocess.run(
            [root / "build/bin/quant-tokenize", f"--tokenizer={path}", *options, *files], capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run


def check(quant_tokenize, path, texts):
    """The same ids as the package's, and the same text of them."""
    reference = Tokenizer.from_file(str(path))
    for special in (True, False):
        lines = quant_tokenize(path, [text.encode() for text in texts], f"--special-tokens={str(special).lower()}")
        ids = [[int(word) for word in line.split()] for line in lines.decode().split("\n")[:-1]]
        assert len(ids) == len(texts)
        for text, found in zip(texts, ids):
            assert found == reference.encode(text, add_special_tokens=special).ids, repr(text)
    # Text that the reference decodes with replacements tells nothing.
    whole = [
        (one, decoded)
        for one in ids
        if "\ufffd" not in (decoded := reference.decode(one, skip_special_tokens=False))
    ]
    assert len(whole) > len(texts) // 4
    decoded = quant_tokenize(path, [" ".join(map(str, one)).encode() for one, _ in whole], "--decode")
    assert decoded.decode() == "".join(text for _, text in whole)
    return ids


@pytest.fixture(scope="module")
def smollm2(models):
    return models["dynamo"] / "tokenizer.json"


def test_evaluation_texts(quant_tokenize, smollm2, texts):
    ids = check(quant_tokenize, smollm2, list(texts.values()))
    decoded = quant_tokenize(smollm2, [" ".join(map(str, one)).encode() for one in ids], "--decode")
    assert decoded.decode() == "".join(texts.values())


def test_shared_texts(quant_tokenize, smollm2, shared):
    data = sorted((shared / "accuracy/data").glob("*.txt"))
    assert data
    check(quant_tokenize, smollm2, [path.read_bytes().decode() for path in data])


@pytest.fixture(scope="module")
def random_texts():
    generator = random.Random(5)
    return [random_text(generator) for _ in range(400)]


def test_random_texts(quant_tokenize, smollm2, random_texts):
    ids = check(quant_tokenize, smollm2, random_texts)
    known = set(Tokenizer.from_file(str(smollm2)).get_vocab())
    spell = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str
    # The model has no token for some bytes.
    whole = [(one, text) for one, text in zip(ids, random_texts) if text and set(spell(text)[0][0]) <= known]
    assert len(whole) > 200
    decoded = quant_tokenize(smollm2, [" ".join(map(str, one)).encode() for one, _ in whole], "--decode")
    assert decoded.decode() == "".join(text for _, text in whole)


def byte_level(pattern, normalizer, **model):
    """LLaMA 3's and Qwen's kind, not trained yet."""
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, pre_tokenizers.ByteLevel.alphabet()


def begin_with(tokenizer, token):
    return processors.TemplateProcessing(
        single=f"{token} $A", pair=f"{token} $A {token} $B", special_tokens=[(token, tokenizer.token_to_id(token))]
    )


def llama3(train):
    tokenizer, alphabet = byte_level(LLAMA3, None, ignore_merges=True)
    train(tokenizer, alphabet, ["<|endoftext|>"])
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), begin_with(tokenizer, "<|endoftext|>")]
    )
    return tokenizer


def qwen2(train):
    tokenizer, alphabet = byte_level(QWEN2, normalizers.NFC())
    train(tokenizer, alphabet, ["<|endoftext|>", "<|im_end|>"])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def gpt2(train):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(False), pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel()]
    )
    tokenizer.decoder = decoders.ByteLevel()
    train(tokenizer, pre_tokenizers.ByteLevel.alphabet(), ["<|endoftext|>"])
    return tokenizer


def sentencepiece(train, **model):
    """Pieces of SentencePiece with bytes for what has none. Spaces are spelled out before training."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", **model))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    train(tokenizer, list("▁abc"), special)
    # Tokens of bytes are the model's alone.
    bare = Tokenizer(models.BPE(unk_token="<unk>", **model))
    bare.model = tokenizer.model
    bare.add_special_tokens(special[:3])
    return bare


def llama2(train):
    tokenizer = sentencepiece(train, byte_fallback=True, fuse_unk=True)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = begin_with(tokenizer, "<s>")
    return tokenizer


def mistral(train):
    """The newer spelling of the same, with a word's space first."""
    tokenizer = sentencepiece(train, byte_fallback=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def gemma(train):
    tokenizer = sentencepiece(train, byte_fallback=True, fuse_unk=True)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def unknown(fuse):
    def build(train):
        tokenizer = sentencepiece(train, fuse_unk=fuse)
        tokenizer.normalizer = normalizers.NFKD()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.WhitespaceSplit(),
                pre_tokenizers.Split(Regex(r"\d+"), "merged_with_next"),
                pre_tokenizers.Split(Regex(r"[a-m]+"), "removed", invert=True),
                pre_tokenizers.Metaspace(prepend_scheme="always"),
            ]
        )
        tokenizer.decoder = decoders.Metaspace()
        return tokenizer

    return build


STYLES = [llama3, qwen2, gpt2, llama2, mistral, gemma, unknown(True), unknown(False)]
ADDED = [
    AddedToken("<extra>", normalized=True),
    AddedToken(" <left>", lstrip=True, normalized=False),
    AddedToken("<right> ", rstrip=True, normalized=False),
    AddedToken("<word>", single_word=True, normalized=False),
    AddedToken("<n\u006f\u0308rm>", normalized=True),
]


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__qualname__.split(".")[0])
def test_styles(quant_tokenize, texts, random_texts, tmp_path, style):
    corpus = texts["narrative"][:30_000].split("\n")

    def train(tokenizer, alphabet, special):
        trainer = trainers.BpeTrainer(
            vocab_size=1500, initial_alphabet=alphabet, special_tokens=special, show_progress=False
        )
        tokenizer.train_from_iterator(corpus, trainer)

    tokenizer = style(train)
    tokenizer.add_tokens(ADDED)
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    check(quant_tokenize, path, [*random_texts, texts["expository"][:20_000]])


def test_errors_name_the_file(root, smollm2, tmp_path):
    text = tmp_path / "text.txt"
    text.write_bytes(b"abc\xff")
    for arguments, expected in (
        ([f"--tokenizer={smollm2}", text], f"error: {text}: the text is not UTF-8: see the byte at offset 3"),
        ([f"--tokenizer={smollm2}", "--decode", text], f"error: {text}: expected ids, got"),
        ([f"--tokenizer={text}", text], f"error: {text}: "),
    ):
        done = subprocess.run([root / "build/bin/quant-tokenize", *arguments], capture_output=True)
        assert done.returncode == 1
        assert done.stderr.decode(errors="replace").startswith(expected)
