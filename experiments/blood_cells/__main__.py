from experiments.blood_cells.experiment import main

if __name__ == "__main__":
    main()
