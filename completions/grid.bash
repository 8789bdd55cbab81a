# bash completion of grid. Thin: what there is to offer, the program itself says.
_grid() {
    local -a words=()
    local i word kind='' cut='' breaks=${COMP_WORDBREAKS//[^=:]/}
    # The words as typed: without their quotes, and whole where bash divides them at = and :
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        \"*) word=${word#\"} word=${word%\"} ;;
        \'*) word=${word#\'} word=${word%\'} ;;
        *\\*) IFS= read -d '' word <<<"$word"; word=${word%$'\n'} ;;
        esac
        if [[ ${#words[@]} -gt 0 && ($word == [=:] || ${COMP_WORDS[i - 1]} == [=:]) ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    # bash replaces only what stands behind the last of them.
    word=${words[-1]-}
    [[ $breaks ]] && cut=${word%"${word##*[$breaks]}"}
    COMPREPLY=()
    while IFS= read -r word; do
        case $word in
        :file) kind=f ;;
        :directory) kind=d ;;
        *)
            word=${word%%$'\t'*} word=${word#"$cut"}
            [[ $word != *[^[:alnum:]_.,:=/@%+-]* ]] || printf -v word %q "$word"
            COMPREPLY+=("$word")
            [[ $word != *= ]] || compopt -o nospace 2>/dev/null
            ;;
        esac
    done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
    if [[ $kind ]]; then
        compopt -o filenames 2>/dev/null
        word=${words[-1]#--*=}
        mapfile -t COMPREPLY < <(compgen -"$kind" -- "$word")
    fi
}
complete -F _grid grid
