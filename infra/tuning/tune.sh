#!/usr/bin/env bash
# Prepares a machine for hft, and takes that back.
#
#   tune.sh apply [--engine-cpu N]   set what is described below, and keep the values of before
#   tune.sh revert                   put the kept values back
#   tune.sh show                     what apply would change, without changing it
#
# It sets the parameters of 99-hft.conf, the governor `performance`, transparent huge pages for those who ask
# (`madvise`) and, with --engine-cpu, keeps interrupts off that processor. What the machine does not have is said and left
# out. Nothing of it survives a reboot.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=${HFT_TUNING_ROOT:-}
kept=${HFT_TUNING_STATE:-/run/hft-tuning}
conf=$here/99-hft.conf

die() { echo "tune.sh: $*" >&2; exit 1; }

# Each place is a file of the kernel's, as PATH<tab>VALUE.
places() {
    local engine_cpu=$1 name value
    while IFS='=' read -r name value; do
        case $name in ''|'#'*) continue ;; esac
        name=$(echo "$name" | tr -d ' ')
        value=$(echo "$value" | sed 's/^ *//; s/ *$//')
        printf '%s\t%s\n' "/proc/sys/${name//.//}" "$value"
    done < "$conf"
    local governor
    for governor in "$root"/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor; do
        [ -e "$governor" ] && printf '%s\t%s\n' "${governor#"$root"}" performance
    done
    printf '%s\t%s\n' /sys/kernel/mm/transparent_hugepage/enabled madvise
    if [ -n "$engine_cpu" ]; then
        printf '%s\t%s\n' /proc/irq/default_smp_affinity "$(mask_without "$engine_cpu")"
    fi
}

# The mask of all processors but one, as the kernel writes it.
mask_without() {
    local count cpu mask=0
    count=$(find "$root/sys/devices/system/cpu" -maxdepth 1 -name 'cpu[0-9]*' | wc -l)
    [ "$1" -lt "$count" ] || die "there is no processor $1: there are $count"
    [ "$count" -gt 1 ] || die "with one processor there is nowhere else for interrupts to go"
    [ "$count" -le 62 ] || die "more than 62 processors: write /proc/irq/default_smp_affinity by hand"
    for ((cpu = 0; cpu < count; cpu++)); do
        [ "$cpu" -eq "$1" ] || mask=$((mask | 1 << cpu))
    done
    printf '%x\n' "$mask"
}

# What a file holds now; of the kernel's choices `a [b] c` the one in brackets.
value_of() {
    local text
    text=$(tr -s '\t ' ' ' < "$1")
    case $text in *'['*) text=${text#*[}; text=${text%%]*} ;; esac
    echo "$text"
}

apply() {
    local path value before
    [ -e "$kept" ] || : > "$kept" 2>/dev/null || die "$kept cannot be written: run as root"
    while IFS=$'\t' read -r path value; do
        if [ ! -e "$root$path" ]; then
            echo "left out: $path is not on this machine"
            continue
        fi
        before=$(value_of "$root$path")
        if [ "$before" = "$value" ]; then
            echo "as it was: $path is $value"
            continue
        fi
        if ! (echo "$value" > "$root$path") 2>/dev/null; then
            echo "left out: $path cannot be set here"
            continue
        fi
        grep -q "^$path	" "$kept" || printf '%s\t%s\n' "$path" "$before" >> "$kept"
        echo "set: $path from $before to $value"
    done < <(places "$1")
}

revert() {
    local path value
    [ -s "$kept" ] || { echo "nothing to put back"; return; }
    # What was set last is put back first: some parameters exclude each other.
    while IFS=$'\t' read -r path value; do
        if (echo "$value" > "$root$path") 2>/dev/null; then
            echo "put back: $path to $value"
        else
            echo "not put back: $path refuses $value"
        fi
    done < <(tac "$kept")
    rm -f "$kept"
}

show() {
    local path value before
    while IFS=$'\t' read -r path value; do
        [ -e "$root$path" ] || continue
        before=$(value_of "$root$path")
        [ "$before" = "$value" ] || echo "$path: $before → $value"
    done < <(places "$1")
}

action=${1:-}
engine_cpu=""
if [ "${2:-}" = --engine-cpu ]; then
    engine_cpu=${3:-}
    [[ $engine_cpu =~ ^[0-9]+$ ]] || die "--engine-cpu takes the number of a processor"
fi
case $action in
    apply) apply "$engine_cpu" ;;
    revert) revert ;;
    show) show "$engine_cpu" ;;
    *) sed -n '2,11p' "$0" | sed 's/^# \{0,1\}//'; exit 2 ;;
esac
