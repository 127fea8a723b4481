# SPDX-License-Identifier: GPL-2.0-or-later
# Bash completion for vireo.  Options come from `vireo run --help`, so that
# there is nothing to keep up to date but the kinds of values.

_vireo()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local vireo=${COMP_WORDS[0]} words option prefix=

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "run help version" -- "$cur")
		return
	fi
	[[ ${COMP_WORDS[1]} == run ]] || return

	# Bash cuts words at = and :, as COMP_WORDBREAKS says.
	option=$prev
	if [[ $cur == = ]]; then
		option=${prev##*,} cur=
	elif [[ $prev == = ]]; then
		option=${COMP_WORDS[COMP_CWORD-2]##*,}
	elif [[ $prev == : && ${COMP_WORDS[COMP_CWORD-2]} == @(file|unix) ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames
		return
	fi

	case $option in
	--kernel | --initrd | --config | --disk | --rng | path | source)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames
		;;
	--console | --virtio-console)
		words="stdio pty file: none"
		[[ $cur != f* ]] || compopt -o nospace
		;;
	--module | --control) words="auto on off" ;;
	--qmp)
		words="unix: fd: stdio"
		compopt -o nospace
		;;
	--on-crash) words="stop reset poweroff pause" ;;
	--gdb | listen)
		words="tcp:127.0.0.1: unix:"
		compopt -o nospace
		prefix=${cur%"${cur##*,}"}
		[[ -z $prefix ]] || words='wait'
		;;
	--log) words="error warn info debug" ;;
	--memory)
		compopt -o nospace
		prefix=${cur%"${cur##*,}"}
		[[ -z $prefix ]] || words="backend= huge node= prefault"
		;;
	backend) words="auto vireo memfd hugetlb" ;;
	huge | prefault | server | --paused) words="on off" ;;
	--append | --name | --cpus | serial | size | node) ;;
	*)
		words=$("$vireo" run --help 2>/dev/null |
			grep -o '^ *--[a-z-]*')
		;;
	esac
	[[ -z $words ]] ||
		mapfile -t COMPREPLY < <(compgen -P "$prefix" -W "$words" -- "${cur##*,}")
}

complete -F _vireo vireo
