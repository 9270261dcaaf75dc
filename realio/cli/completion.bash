# bash completion for quicether; install it as /usr/share/bash-completion/completions/quicether, or source it. It reads
# the program's own help, so that it is never behind.

_quicether() {
    local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local command= group= socket= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --control) socket=${COMP_WORDS[i+1]-} ;&
        --config | --state-dir | --listen | --tun-name | --tun-addr | --name | --peer | --peer-allow | --log-level | \
            --record | --record-limit | --record-to | --count | --interval | --bootstrap | --dht-port | --public-ip | \
            --advertise-subnet | --accept-subnet | --expires | --uses | --salt | --seq | --cas | --role | --gateway-prefer | \
            --gateway-allow | --relay-allow | --exit-node) i=$((i + 1)) ;;
        -*) ;;
        dht | network | config) [ -n "$command" ] || group=${COMP_WORDS[i]} command="$group " ;;
        *)
            if [ "$command" = "$group " ]; then
                command="$command${COMP_WORDS[i]}"
            else
                command=${command:-${COMP_WORDS[i]}}
            fi
            ;;
        esac
    done
    COMPREPLY=()
    case $previous in
    --config | --control | --record)
        compopt -o filenames 2>/dev/null || :
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --state-dir)
        compopt -o filenames 2>/dev/null || :
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    --log-level)
        mapfile -t COMPREPLY < <(compgen -W "error warn info debug" -- "$current")
        return
        ;;
    --role)
        mapfile -t COMPREPLY < <(compgen -W "node gateway" -- "$current")
        return
        ;;
    --relay-allow)
        mapfile -t COMPREPLY < <(compgen -W "nobody members allowed" -- "$current")
        return
        ;;
    --listen | --tun-name | --tun-addr | --name | --peer | --peer-allow | --record-limit | --record-to | --count | \
        --interval | --bootstrap | --dht-port | --public-ip | --advertise-subnet | --accept-subnet | --expires | \
        --uses | --salt | --seq | --cas) return ;;
    esac

    local commands
    commands=$("$program" help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | uniq)
    if [ -z "$command" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$current")
    elif [ "$command" = help ]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
    elif [ -n "$group" ] && [ "$command" = "$group " ]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$program" help "$group" 2>/dev/null |
            sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p') --help" -- "$current")
    elif { [ "$command" = ping ] || [ "$command" = "dht lookup" ]; } && [[ $current != -* ]]; then
        # Peers by name, or the IDs of those without one.
        local peers
        peers=$("$program" peers --json ${socket:+--control "$socket"} 2>/dev/null |
            grep -o '"node_id":"[^"]*","name":"[^"]*"' |
            sed 's/.*"name":"\([^"][^"]*\)"/\1/; s/"node_id":"\([^"]*\)".*/\1/')
        mapfile -t COMPREPLY < <(compgen -W "$peers" -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -W \
            "$("$program" help $command 2>/dev/null | sed -n 's/^  \(--[a-z-]*\) .*/\1/p')" -- "$current")
    fi
}
complete -F _quicether quicether
