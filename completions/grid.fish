# fish completion of grid. Thin: what there is to offer, the program itself says.
function __grid_complete
    set -l words (commandline -opc)
    set -l last (string unescape -- (commandline -ct); or commandline -ct)
    # A path behind --option= : fish replaces the whole word. It wants paths as they are typed.
    set -l option (string match -r -- '^--[^=]*=' "$last")
    set -l path (string replace -r -- '^--[^=]*=' '' (commandline -ct))
    for line in (command $words[1] __complete $words[2..-1] "$last" 2>/dev/null)
        switch $line
            case ':file'
                string replace -r -- '^' "$option" (__fish_complete_path $path)
            case ':directory'
                string replace -r -- '^' "$option" (__fish_complete_directories $path)
            case '*'
                echo $line
        end
    end
end
complete -c grid -f -a '(__grid_complete)'
