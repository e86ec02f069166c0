//! mod_macro: Macro, Use, UndefMacro.

use compat_tests::group;

#[test]
fn definitions_and_uses() {
    group("Macro").and_modules("macro").syntax(&[
        "<Macro M $a>\nFoo$a\n</Macro>\nUse M Bar",
        "<Macro M>\nFooBar\n</Macro>\nUse M",
        "<Macro M>\nFooBar\n</Macro>",
        "<Macro M>\nServerAdmin a\n\nFooBar\n</Macro>\n\nUse M",
        "<Macro M $a $b>\nFoo$a\n</Macro>\nUse M Bar",
        "<Macro M $a>\nFoo$a\n</Macro>\nUse M Bar Baz",
        "<Macro M $a>\nFoo$a\n</Macro>\nUse M",
        "<Macro M $a $a>\nFoo$a\n</Macro>\nUse M a b",
        "<Macro M $a $ab>\nFoo$ab$a\n</Macro>\nUse M 1 2",
        "<Macro M $a>\nServerAdmin x\n</Macro>\nUse M 1",
        "<Macro M a>\nFooa\n</Macro>\nUse M 1",
        "<Macro M @a %b $c>\nFoo@a%b$c\n</Macro>\nUse M \"1\\\"\" 2\\ 3",
        "<Macro M a \"\">\nFoo\n</Macro>\nUse M",
        "<Macro M>\n<IfDefine NOPE>\n</Macro>\nUse M\nFoo\n</IfDefine>\nBar\n",
        "<Macro M>\n<Directory /x>\nRequire all granted\n</Macro>\nUse M\n</Directory>\nFoo\n",
        "<Macro M>\nRequire all granted\n</Macro>\nUse M\nFoo",
        "<Macro M>\n</Foo>\n</Bar>\n#x\n\n<Foo>\nx\n</Macro>\nFoo",
        "<Macro M>\n<Macro N>\n</Macro> foo\nxx\n</Macro> bar",
        "<Macro M>\n\n#\n\n#x\nfoo\n</Macro>\nUse M",
        "<Macro M %a @b>\nFoo%a@b\n</Macro>\nUse M 1 2",
        "<Macro M $>\nFoo$\n</Macro>\nUse M 1",
        "<Macro M \"\">\nFoo\n</Macro>\nUse M 1",
        "<Macro>\n</Macro>",
        "<Macro M\n</Macro>",
        "<Macro M>\n</Macro",
        "<Macro M>\nFooBar",
        "<Macro M>\n</Macro>\nUse M",
        "<Macro M>\nFooBar\n</Macro>\n<Macro M>\nBarFoo\n</Macro>\nUse M",
        "<Macro M>\nFooBar\n</Macro>\nUse m",
        "<Macro M>\nFooBar\n</Macro>\nUndefMacro M\nUse M",
        "UndefMacro Nope",
        "UndefMacro",
        "Use Nope",
        "Use",
        "Use Nope a b",
        "<Macro M>\nUse M\n</Macro>\nUse M",
        "<Macro A>\nUse B\n</Macro>\n<Macro B>\nUse A\n</Macro>\nUse A",
        "<Macro M $a>\n<Directory $a>\nFooBar\n</Directory>\n</Macro>\nUse M /x",
        "<Macro M $a>\n<Directory $a>\n</Macro>\nUse M /x",
        "<Macro M>\n</Directory>\n</Macro>\n<Directory /x>\nUse M",
        "<Macro M $h>\n<VirtualHost $h:80>\nServerName $h\nFoo$h\n</VirtualHost>\n</Macro>\nUse M a.test\nUse M b.test",
        "<Macro M $a>\nFoo$a\n</Macro>\nUse M \"a b\"",
        "<Macro M $a>\nServerAdmin \"$a\"\n</Macro>\nUse M \"a b\"",
        "<Macro Outer $x>\n<Macro Inner$x>\nFoo$x\n</Macro>\n</Macro>\nUse Outer 1\nUse Inner1",
        "<Macro M $a>\nInclude conf/$a\n</Macro>\nUse M nope.conf",
        "<Macro M ${a}>\nFoo${a}\n</Macro>\nUse M 1",
        "Define V val\n<Macro M $a>\nFoo$a${V}\n</Macro>\nUse M 1",
        "<Directory /x>\n<Macro M>\nFooBar\n</Macro>\nUse M\n</Directory>",
        "<VirtualHost *:80>\n<Macro M>\nListen 81\n</Macro>\nUse M\n</VirtualHost>",
        "MacroIgnoreEmptyArgs\n<Macro M $a>\nFoo$a\n</Macro>\nUse M \"\"",
        "<Macro M $a>\nFoo$a\n</Macro>\nUse M \"\"",
        "<macro M>\nFooBar\n</macro>\nuse M",
    ]);
}

#[test]
fn serving() {
    group("Macro serving")
        .and_modules("macro")
        .conf("<Macro Page $path $text>\n<Location $path>\nErrorDocument 404 \"$text\"\n</Location>\n</Macro>\nUse Page /a \"A page\"\nUse Page /b \"B page\"\n")
        .get("/a")
        .get("/b/x")
        .get("/c")
        .check();
}

/// Odd openers are warned of, in order.
#[test]
fn odd_openers() {
    group("odd openers of macros").syntax(&[
        "<Macro $foo a>x y\nServerName a\n</Macro>\n",
        "<Macro foo>>\nServerName a\n</Macro>\n",
        "<Macro foo> >\n</Macro>\n",
        "<Macro %foo>  \n</Macro>\n",
        "<Macro @foo $a>a>b\n</Macro>\n",
        "<Macro foo>\nServerName a\n</Macro>\n<Macro $foo>b\nServerName a\n</Macro>\n<Macro $foo>\nServerName c\n</Macro>\n",
    ]);
}
