# shellcheck shell=bash
# Lane format: what can be said of the files without running them.

lane_format() {
    needs shellcheck systemd || return 1
    check "dotnet format" format_dotnet
    check "shell syntax" each_script syntax_of
    check "shellcheck" each_script shellcheck -x
    check "systemd units" format_units
    check "devstack plugin" tests/devstack/plugin_test.sh
    check "files under 400 lines" format_lengths
}

# The build fails on style and analyzers (EnforceCodeStyleInBuild): what it does not look at is white space.
format_dotnet() { dotnet format whitespace . --folder --verify-no-changes; }

# The repository's shell scripts: by suffix, and those without one by their first line.
scripts() {
    git ls-files --cached --others --exclude-standard | while read -r file; do
        case ${file##*/} in
            *.sh|*.script) echo "$file" ;;
            *.*) ;;
            *) [ ! -f "$file" ] || ! head -1 "$file" | grep -qaE '^#!.*[/ ](ba)?sh( |$)' || echo "$file" ;;
        esac
    done
}

# each_script COMMAND...: runs it on every script; fails when it failed on one.
each_script() {
    local file rc=0
    while read -r file; do "$@" "$file" || { echo "in $file"; rc=1; }; done < <(scripts)
    return $rc
}

syntax_of() {
    if head -1 "$1" | grep -q 'bin/sh'; then sh -n "$1"; else bash -n "$1"; fi
}

# The programs that the units name need not be installed here: links to /bin/true in a root of its own stand for them.
format_units() {
    local root rc=0 unit program said
    root=$(mktemp -d)
    mkdir -p "$root/etc/systemd/system" "$root/usr/lib/systemd/system"
    cp etc/systemd/*.service "$root/etc/systemd/system/"
    for unit in sysinit basic network-online network multi-user shutdown; do
        printf '[Unit]\nDescription=%s\nDefaultDependencies=no\n' $unit > "$root/usr/lib/systemd/system/$unit.target"
    done
    sed -n 's/^Exec[A-Za-z]*=[-+!@:]*\([^ ]*\).*/\1/p' etc/systemd/*.service | sort -u | while read -r program; do
        install -D -m 755 /bin/true "$root$program"
    done
    # Unknown settings are only warned of, so anything said is a failure.
    for unit in etc/systemd/*.service; do
        said=$(systemd-analyze verify --man=no --root="$root" "$root/etc/systemd/system/${unit##*/}" 2>&1) || rc=1
        [ -z "$said" ] || { echo "$said"; rc=1; }
    done
    rm -rf "$root"
    return $rc
}

format_lengths() {
    local file lines rc=0
    while read -r file; do
        lines=$(wc -l < "$file")
        [ "$lines" -le 400 ] || { echo "$file has $lines lines: it holds two things"; rc=1; }
    done < <(scripts; git ls-files --cached --others --exclude-standard '*.cs')
    return $rc
}
